# The only door to the repository: `make help` lists the verbs.
PYTHON ?= python3
EDITION ?= student
VENV ?= .venv
RUN = $(VENV)/bin/python -m
export VENV

.DEFAULT_GOAL := help
.PHONY: help book test lab notebooks assignments grade bench lock fork check colab gpu torch clean site-env env

help: ## list the verbs
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

site-env:
	@$(PYTHON) tools/bootstrap.py site

env:
	@$(PYTHON) tools/bootstrap.py all

book: site-env ## build the site: _build/html/index.html (EDITION=instructor: _build/html-instructor)
	@$(RUN) tools.site --edition $(EDITION)

test: env ## run every check: style, types, tests, outputs of all pages, the site in a browser
	@$(RUN) tools.test

check: env ## style and types only (seconds)
	@$(RUN) tools.test --only style

lab: env ## start JupyterLab on the notebooks
	@$(VENV)/bin/jupyter lab --ServerApp.root_dir=notebooks

notebooks: env ## derive and run what changed (PAGE=3-1-1, COLD=1 runs all, SEED=1-5 other seeds)
	@$(RUN) tools.run $(if $(PAGE),--page $(PAGE)) $(if $(COLD),--cold) $(if $(SEED),--seed $(SEED))

assignments: env ## release the labs without solutions into notebooks/ (OVERLAY=folder of private checks)
	@$(RUN) tools.assignments generate $(if $(OVERLAY),--overlay $(OVERLAY)) $(if $(OUT),--out $(OUT))

grade: env ## grade a lab (LAB=03-image-processing) in SUBMITTED=folder into grades.csv (OVERLAY=private checks)
	@test -n "$(SUBMITTED)" || { echo "grade: name the folder of submissions: make grade SUBMITTED=folder LAB=chapter" >&2; exit 1; }
	@$(RUN) tools.assignments grade "$(SUBMITTED)" $(if $(LAB),--lab $(LAB)) $(if $(OVERLAY),--overlay $(OVERLAY)) $(if $(CSV),--csv $(CSV))

bench: env ## measure what README and book claim of speed and size; results in benchmarks/results (MEASURE='light rebuild')
	@$(RUN) benchmarks $(MEASURE)

lock: env ## export the hashed locks from pyproject.toml
	@PATH="$(abspath $(VENV))/bin:$$PATH" $(RUN) tools.lock

fork: site-env ## make this your course: REPO=https://github.com/owner/name changes every link
	@test -n "$(REPO)" || { echo "fork: name your repository: make fork REPO=https://github.com/owner/name" >&2; exit 1; }
	@$(RUN) tools.fork "$(REPO)"

colab: env ## run every page with Colab's package list on Python 3.13
	@$(RUN) tools.colab

gpu: env ## add what TensorFlow needs for an NVIDIA GPU
	@$(RUN) tools.extras gpu

torch: env ## add PyTorch as a Keras back end
	@$(RUN) tools.extras torch

clean: ## remove what was built (_build, caches); the environment stays
	@rm -rf _build .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .coverage .coverage.* htmlcov
