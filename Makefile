# Every target is a step of CI or a shorthand: .ci/run says what the steps do.

.PHONY: check build test race lint fuzz bench demo docs

check: ## what CI runs
	.ci/run

build: ## the binary, here
	go build -trimpath -o spillway ./cmd/spillway

test:
	.ci/run test

race:
	.ci/run race

lint:
	.ci/run format vet lint

fuzz: ## FUZZTIME=5m make fuzz
	.ci/run fuzz

bench: ## pickers and pick, on this machine
	go test -run '^$$' -bench . -benchmem ./balance ./lb
	cd benchmarks && go test -run '^$$' -bench . -benchmem ./...

demo:
	go run ./cmd/spillway demo

docs: ## tables and references that are made from code
	go generate ./config
	go test ./internal/archtest -run TestArchitectureShowsTheTable -update
