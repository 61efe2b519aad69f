# What the workflows call. Each target runs on a laptop too: that is how it is tried before it is pushed.

REGISTERED := var/registered.json
FOLDER ?= .# of the model: params.yaml, dvc.yaml, dvc.lock
DELIVERY_SETTINGS := MLFLOW_TRACKING_URI SLIPWAY_ACTOR SLIPWAY_AUDIT_URL SLIPWAY_BASE_IMAGE SLIPWAY_DVC_REMOTE \
  SLIPWAY_GITOPS_REMOTE SLIPWAY_REGISTRY

.PHONY: check-workflows
check-workflows: setup manifest-tools ## lint the workflows, their security, Dependabot's settings, the issue forms, compose.yaml
	actionlint
	zizmor --offline --persona pedantic --no-progress --quiet .github
	check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml
	check-jsonschema --builtin-schema vendor.github-actions .github/actions/*/action.yml
	check-jsonschema --builtin-schema vendor.github-issue-config .github/ISSUE_TEMPLATE/config.yml
	check-jsonschema --builtin-schema vendor.github-issue-forms $(filter-out %/config.yml,$(wildcard .github/ISSUE_TEMPLATE/*.yml))
	@# The reader of Docker Compose itself: podman-compose takes what that one refuses.
	COMPOSE_PROFILES=full compose-spec compose.yaml > /dev/null
	COMPOSE_PROFILES=full compose-spec compose.yaml deploy/compose/debian.yaml > /dev/null

.PHONY: check-secrets
check-secrets: setup ## look for keys, tokens and passwords in every file that Git knows
	@git ls-files -z | grep -zvE '^(uv\.lock|dvc\.lock|tools/go\.sum)$$|\.(png|parquet|onnx|skops|db)$$' | xargs -0 detect-secrets-hook \
	  --disable-plugin HexHighEntropyString --disable-plugin KeywordDetector --exclude-lines '(user|me):secret@|ada:word@|bot:hunter22@|AKIAABCDEFGHIJKLMNOP|-----BEGIN PRIVATE KEY-----["'\'']'

.PHONY: check-vulnerabilities
check-vulnerabilities: setup ## look every locked library up in the database of known vulnerabilities (needs PyPI itself)
	@mkdir -p var
	@uv export --quiet --locked --no-emit-project --all-extras --no-default-groups -o var/locked.txt
	pip-audit --strict --disable-pip --require-hashes --progress-spinner off -r var/locked.txt

.PHONY: changes
changes: setup manifest-tools ## write what this branch changes for people to review: BASE=commit, into var/changes.md
	slipway changes --base "$${BASE:-origin/main}" --output var/changes.md
	@test -z "$${GITHUB_STEP_SUMMARY:-}" || cat var/changes.md >> "$$GITHUB_STEP_SUMMARY"

# Without a commit to compare with, everything is checked.
.PHONY: scope
scope: ## say what the change since BASE touches: release=true, releases alone; locked=false, not uv.lock
	@if test -n "$${BASE:-}"; then \
	  changed=$$(git diff --name-only --no-renames "$$BASE...HEAD") || exit 1; \
	  if test -n "$$changed" && ! grep -qvE '^gitops/apps/[^/]+/(staging|production)/release/[^/]+$$' <<< "$$changed"; then release=true; fi; \
	  grep -qxF uv.lock <<< "$$changed" || locked=false; fi; \
	printf 'release=%s\nlocked=%s\n' "$${release:-false}" "$${locked:-true}" | tee -a "$${GITHUB_OUTPUT:-/dev/null}"

.PHONY: proposal
proposal: setup ## say whether PULL_REQUEST leaves production's releases alone; without one, that a queue's commit may merge
	@if test -n "$${PULL_REQUEST:-}"; then slipway proposal "$$PULL_REQUEST"; else slipway proposal --queued "$$GITHUB_SHA"; fi

.PHONY: comment
comment: ## put var/changes.md on PULL_REQUEST, as one comment that is edited (needs gh)
	gh pr comment "$$PULL_REQUEST" --edit-last --create-if-none --body-file var/changes.md

.PHONY: delivery-settings
delivery-settings: ## see that every setting is there before an hour is spent
	@for name in $(DELIVERY_SETTINGS); do \
	  test -n "$${!name:-}" || { echo "error: $$name is not set" >&2; missing=1; }; done; \
	  test -z "$${missing:-}" || { echo "  next: docs/how-to/continuous-delivery.md, Settings" >&2; exit 3; }

# Teams in CODEOWNERS that are not of the organisation that owns the repository: no one there can approve.
strangers = sed 's/\#.*//' .github/CODEOWNERS | grep -oE '@[^ /]+/[^ ]+' | grep -viE "^@$${GITHUB_REPOSITORY%%/*}/" | sort -u

.PHONY: owners
owners: ## put the organisation of GITHUB_REPOSITORY into CODEOWNERS: its teams approve
	@case "$${GITHUB_REPOSITORY:-}" in ?*/?*) ;; *) echo "error: GITHUB_REPOSITORY is not set; expected OWNER/NAME" >&2; exit 3 ;; esac
	sed -i -E "/^\#/!s|@[A-Za-z0-9-]+/|@$${GITHUB_REPOSITORY%%/*}/|g" .github/CODEOWNERS
	@sed -n '/^\#/!s/ .* / /p' .github/CODEOWNERS

.PHONY: check-owners
check-owners: ## refuse to ask for approvals that no one could give: owners of another organisation than GITHUB_REPOSITORY's
	@case "$${GITHUB_REPOSITORY:-}" in ?*/?*) ;; *) echo "error: GITHUB_REPOSITORY is not set; expected OWNER/NAME" >&2; exit 3 ;; esac
	@found=$$($(strangers) || true); test -z "$$found" || { echo "error: .github/CODEOWNERS names teams of another organisation" >&2; \
	  echo "  expected: @$${GITHUB_REPOSITORY%%/*}/…" >&2; echo "  found:    $$(echo $$found)" >&2; \
	  echo "  next:     make owners GITHUB_REPOSITORY=$$GITHUB_REPOSITORY, and merge it" >&2; exit 4; }

.PHONY: data-pull
data-pull: setup ## fetch what the remote has of dvc.lock; the rest is made again
	@test -z "$${SLIPWAY_DVC_REMOTE:-}" || dvc remote add --local --default --force delivery "$$SLIPWAY_DVC_REMOTE"
	dvc pull --allow-missing

.PHONY: reproduce
reproduce: setup ## make what dvc.lock records; refuse where the code gives something else
	cd $(FOLDER) && dvc repro
	@cd $(FOLDER) && git diff --exit-code -- dvc.lock reports params.yaml || { echo "error: dvc.lock is not of this code and these parameters" >&2; \
	  echo "  next: dvc repro && dvc push, and commit dvc.lock and reports/ in the pull request" >&2; exit 4; }

.PHONY: data-push
data-push: setup ## keep what dvc.lock names in the remote
	dvc push

.PHONY: register
register: setup signing-key ## register the model, its verdict signed; the gate's refusal ends it
	@mkdir -p var
	slipway register -C $(FOLDER) --json > $(REGISTERED) || { code=$$?; cat $(REGISTERED); exit $$code; }
	@cat $(REGISTERED)

.PHONY: registry-login
registry-login: ## log in to SLIPWAY_REGISTRY with REGISTRY_USERNAME and REGISTRY_PASSWORD, for every image tool
	@test -n "$${REGISTRY_PASSWORD:-}" || { echo "error: REGISTRY_PASSWORD is not set" >&2; exit 3; }
	@$(PYTHON) -m slipway.programs skopeo
	@host="$${SLIPWAY_REGISTRY%%/*}"; case "$$host" in 127.*|localhost*) plain=--tls-verify=false ;; esac; \
	  mkdir -p "$${DOCKER_CONFIG:-$$HOME/.docker}"; \
	  printf '%s' "$$REGISTRY_PASSWORD" | skopeo login $${plain:-} --authfile "$${DOCKER_CONFIG:-$$HOME/.docker}/config.json" \
	  --username "$$REGISTRY_USERNAME" --password-stdin "$$host"

# The version that `make register` made: a number, since another may have moved @challenger meanwhile.
version = $$(python -c 'import json, sys; version = json.load(open("$(REGISTERED)")); print(version["model"] + "@" + version["version"])')

.PHONY: package
package: setup signing-key ## build and push the image of the version that was registered
	slipway package $(version)

.PHONY: signing-key
signing-key:
	@mkdir -p var
	@if test -n "$${SIGNING_KEY:-}"; then (umask 077; printf '%s\n' "$$SIGNING_KEY" > var/signing-key); fi

register package stage reconcile rollout: export SLIPWAY_SIGNING_KEY := $(or $(SLIPWAY_SIGNING_KEY),$(if $(SIGNING_KEY),$(CURDIR)/var/signing-key))

.PHONY: stage
stage: setup signing-key ## make that version what staging runs
	slipway stage $(version) --reason "Merged: $$(git log -1 --format=%h)"

.PHONY: cluster-access
cluster-access: ## write KUBECONFIG for CLUSTER, by the cloud's role
	@test -n "$${CLUSTER:-}" || { echo "error: CLUSTER is not set; next: docs/how-to/continuous-delivery.md, Settings" >&2; exit 3; }
	aws eks update-kubeconfig --name "$$CLUSTER"

.PHONY: reconcile
reconcile: setup signing-key ## one pass: a champion becomes a request, a failed release is taken back
	slipway reconcile --once

.PHONY: rollout
rollout: setup signing-key ## ACT=resume, abort or rollback of MODEL in production, with REASON
	@case "$$ACT" in \
	  resume|abort) slipway "$$ACT" "$$MODEL" production ;; \
	  rollback) slipway rollback "$$MODEL" production --reason "$$REASON" ;; \
	  *) echo "error: ACT is unknown; expected resume, abort or rollback; found $$ACT" >&2; exit 2 ;; esac

.PHONY: verify-production
verify-production: setup ## history signed, audit record intact, settings as written here, Git and cluster agree
	@for overlay in gitops/apps/*/production; do \
	  model=$$(basename "$$(dirname "$$overlay")"); \
	  slipway history "$$model" --verify $${SIGNED_SINCE:+--since "$$SIGNED_SINCE"} || failed=1; \
	  slipway audit "$$model" --verify || failed=1; \
	  slipway status "$$model" || failed=1; done; \
	  slipway protect --check || failed=1; \
	  test -z "$${failed:-}"

.PHONY: drift
drift: setup ## compare a week of the journal (SLIPWAY_DATABASE_URL) with what the model was judged on; SINCE=30d for another span
	slipway drift --since "$${SINCE:-7d}"

.PHONY: dist
dist: setup ## build wheel and source, with what they depend on
	rm -rf dist
	uv build --quiet --out-dir dist
	uv export --quiet --locked --no-emit-project --all-extras --no-default-groups --format cyclonedx1.5 -o dist/slipway.cdx.json
	@rm -f dist/.gitignore
	@cd dist && sha256sum * > SHA256SUMS && cat SHA256SUMS

.PHONY: release-notes
release-notes: setup ## TAG=vX.Y.Z: its entry of the changelog, refused where the tag is not the version
	@test "$$TAG" = "v$$(slipway --version | cut -d' ' -f2)" || { echo "error: $$TAG is not the version in pyproject.toml" >&2; exit 3; }
	@mkdir -p var
	@awk -v heading="## [$${TAG#v}]" 'index($$0, heading) == 1 {on = 1; next} /^## / {on = 0} on' CHANGELOG.md > var/notes.md
	@test -s var/notes.md || { echo "error: CHANGELOG.md has no section [$${TAG#v}]" >&2; exit 3; }
	@cat var/notes.md

.PHONY: publish
publish: ## make the GitHub release of TAG from dist/ (needs gh)
	@mkdir -p var
	@awk -v heading="## [$${TAG#v}]" 'index($$0, heading) == 1 {on = 1; next} /^## / {on = 0} on' CHANGELOG.md > var/notes.md
	gh release create "$$TAG" dist/* --verify-tag --title "$$TAG" --notes-file var/notes.md
