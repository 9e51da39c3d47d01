.PHONY: help run test smoke check docs lock audit

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /make \1\t/p' $(MAKEFILE_LIST) | expand -t 14

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
