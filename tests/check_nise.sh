# Cost and usage reports that somebody else's program writes (koku-nise, of the Koku project): every line must land. It writes one
# by chance, with what it makes of all its services, and one of what tests/fixtures/nise says: covered usage, negations, fees.
nise="$(python_tools nise 'koku-nise==5.4.4')/bin/nise"
mkdir -p "$scratch/nise/chance" "$scratch/nise/static"
(cd "$scratch/nise/chance" && timeout 300 "$nise" report aws -s 2026-09-01 -e 2026-09-04 -w >"$scratch/nise.log" 2>&1)
nise_static="$PWD/tests/fixtures/nise/static.yaml"
(cd "$scratch/nise/static" && timeout 300 "$nise" report aws -s 2026-09-01 -e 2026-09-04 -w --static-report-file "$nise_static" >>"$scratch/nise.log" 2>&1)
python3 tests/cur_verdict.py "$target/debug/outlay" "$scratch"/nise/*/*.csv
