PROD = prod-build prod-deploy prod-start prod-stop prod-logs prod-status prod-rollback
.PHONY: help run test smoke check docs lock audit $(PROD) db-migrate db-reset backup restore

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /make \1\t/p' $(MAKEFILE_LIST) | expand -t 20

run: ## set up and run the app
	@scripts/run

test: ## set up and run all tests, or those of MARK=unit, integration, e2e, smoke or load; REPORT=1 writes reports/
	@MARK="$(MARK)" REPORT="$(REPORT)" scripts/test

smoke: ## look at the running app at URL=http://127.0.0.1:7860 for half a minute, for free
	@scripts/smoke "$(URL)"

check: ## format, lint, types, import lines, generated docs, links
	@scripts/check

docs: ## write the generated parts of README.md and docs/, and .env.example
	@scripts/docs

lock: ## write requirements.lock
	@scripts/lock

audit: ## look up known vulnerabilities of every locked package at PyPI
	@scripts/audit

prod-build: ## build the image of this commit (Docker, deploy/compose.prod.yaml; so for all below)
	@scripts/prod build

prod-deploy: ## build, migrate, replace one process after the other; where one is not healthy, go back by itself
	@scripts/prod deploy

prod-start: ## start the cluster
	@scripts/prod start

prod-stop: ## stop the cluster; its data stays
	@scripts/prod stop

prod-logs: ## follow the logs
	@scripts/prod logs

prod-status: ## tell what runs, and what is wrong
	@scripts/prod status

prod-rollback: ## go back to the version before
	@scripts/prod rollback

db-migrate: ## bring the database to the newest schema
	@scripts/prod migrate

db-reset: ## delete all batches, with CONFIRM=yes
	@scripts/prod reset

backup: ## write batches and their files to a folder in backups/
	@scripts/prod backup

restore: ## bring back FOLDER=backups/…
	@scripts/prod restore "$(FOLDER)"
