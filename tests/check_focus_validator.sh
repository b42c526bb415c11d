# Exports of invented bills, looked at by the FOCUS foundation's own validator. Nine of its rules fail on any data
# (docs/EXPORT.md); any other that fails, and any of the nine that does not, fails the check. Needs Python from 3.12 on.

focus_python() {
    local candidate
    for candidate in python3.13 python3.12 python3 "$HOME"/.pyenv/versions/3.1[23].*/bin/python3; do
        # Something of that name may be there and not start (pyenv's shims).
        "$candidate" -c 'import sys; sys.exit(not (3, 12) <= sys.version_info < (3, 14))' 2>/dev/null &&
            echo "$candidate" && return
    done
    return 1
}

focus_validator() {
    local interpreter validator place="$scratch/focus-validator" outlay="$target/debug/outlay"
    if ! interpreter="$(focus_python)"; then
        echo "NOT CHECKED: focus-validator needs Python 3.12 or 3.13, and neither is here"
        return
    fi
    validator="$(python="$interpreter" python_tools focus-validator focus-validator==2.2.1 'pyarrow<22')"
    mkdir -p "$place"
    # It opens its list of currencies relative to where it runs.
    ln -sfn "$("$validator/bin/python" -c 'import focus_validator; print(focus_validator.__path__[0])')" "$place/focus_validator"

    # A hand-written bill with all 57 columns of FOCUS 1.2, and a month of the demo's AWS, but for the support fee, which
    # the validator takes for a purchase that covers future charges, and for what pools share: transfers lack what daily
    # totals do not keep (docs/EXPORT.md).
    "$outlay" --data "$place/house" import --source nimbus --kind focus tests/fixtures/focus/all_columns_1_2.csv
    "$outlay" --data "$place/house" export --basis billing --period 2026-10 --output "$place/all_columns.parquet"
    "$outlay" --data "$place/demo" demo --no-serve >/dev/null
    "$outlay" --config "$place/demo/outlay.toml" export --basis billing --period last_month --source aws \
        --filter "NOT service = 'AWS Support (Business)' AND NOT component IN ('network-core', 'ci-runners')" --output "$place/demo_aws.parquet"

    local file
    for file in all_columns demo_aws; do
        # Its exit code says nothing.
        (cd "$place" && "$validator/bin/focus-validator" --data-file "$file.parquet" --validate-version 1.2 \
            --block-download --applicability-criteria ALL --show-violations >"$file.out" 2>&1) || true
        python3 tests/focus_verdict.py "$file" "$place/$file.out"
    done
}

focus_validator
