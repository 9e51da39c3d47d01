.PHONY: help run test check docs lock

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /make \1\t/p' $(MAKEFILE_LIST) | expand -t 14

run: ## set up and run the app
	@scripts/run

test: ## set up and run all tests
	@scripts/test

check: ## format, lint, types, import lines, generated docs
	@scripts/check

docs: ## write the generated parts of README.md, and .env.example
	@scripts/docs

lock: ## write requirements.lock
	@scripts/lock
