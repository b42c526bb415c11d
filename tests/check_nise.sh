# Cost and usage reports that somebody else's program writes (koku-nise, of the Koku project): every line must land. It writes one
# by chance, with what it makes of all its services, and one of what tests/fixtures/nise says: covered usage, negations, fees.
nise="$(python_tools nise 'koku-nise==5.4.4')/bin/nise"
mkdir -p "$scratch/nise/chance" "$scratch/nise/static"
(cd "$scratch/nise/chance" && timeout 300 "$nise" report aws -s 2026-09-01 -e 2026-09-04 -w >"$scratch/nise.log" 2>&1)
nise_static="$PWD/tests/fixtures/nise/static.yaml"
(cd "$scratch/nise/static" && timeout 300 "$nise" report aws -s 2026-09-01 -e 2026-09-04 -w --static-report-file "$nise_static" >>"$scratch/nise.log" 2>&1)
python3 tests/cur_verdict.py "$target/debug/outlay" "$scratch"/nise/*/*.csv

# And billing exports of Google Cloud: as CSV, by chance and of what tests/fixtures/nise says, and as the JSON lines of BigQuery.
mkdir -p "$scratch/nise/gcp"
nise_fixtures="$PWD/tests/fixtures/nise"
(
    cd "$scratch/nise/gcp"
    timeout 300 "$nise" report gcp -s 2026-09-01 -e 2026-09-04 -w -r --gcp-report-prefix chance
    timeout 300 "$nise" report gcp -s 2026-09-01 -e 2026-09-30 -w --gcp-report-prefix static --static-report-file "$nise_fixtures/gcp.yaml"
    timeout 300 "${nise%/nise}/python" "$nise_fixtures/gcp_rows.py" rows
) >>"$scratch/nise.log" 2>&1
python3 tests/gcp_verdict.py "$target/debug/outlay" "$scratch"/nise/gcp/*

# The same of Azure's cost details, of a subscription and of a resource group, whose columns have other names. It knows usage only,
# so actual and amortised cost of it are the same file.
for of in subscription resource-group; do
    nise_azure="$scratch/nise-azure/$of"
    mkdir -p "$nise_azure"
    flags=()
    [[ "$of" == resource-group ]] && flags=(-rg)
    (cd "$nise_azure" && timeout 300 "$nise" report azure -s 2026-09-01 -e 2026-09-04 -w "${flags[@]}" >>"$scratch/nise.log" 2>&1)
    mv "$nise_azure"/*.csv "$nise_azure/actual.csv"
    cp "$nise_azure/actual.csv" "$nise_azure/amortized.csv"
done
python3 tests/azure_verdict.py "$target/debug/outlay" "$scratch"/nise-azure/*
python3 tests/oracle_azure.py "$target/debug/outlay"
