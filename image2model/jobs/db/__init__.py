"""The database: schema, migrations, queries and the store of batches and jobs."""
