# What the end-to-end tests share: counting, statuses, messages. Sourced; expects $assay.
# shellcheck shell=bash
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
count=0
failed=0

check() { # check DESCRIPTION EXPECTED FOUND
    count=$((count + 1))
    if [ "$2" != "$3" ]; then
        failed=$((failed + 1))
        echo "FAILED: $1: $3, expected $2" >&2
    fi
}
status() { # status EXPECTED COMMAND...: the exit status, with the output in $work/stdout and $work/stderr
    local expected=$1 found=0
    shift
    "$@" >"$work/stdout" 2>"$work/stderr" </dev/null || found=$?
    check "exit status of $(basename "$1") ${*:2}" "$expected" "$found"
}
says() { # says FILE TEXT
    count=$((count + 1))
    if ! grep -qF -- "$2" "$work/$1"; then
        failed=$((failed + 1))
        echo "FAILED: $1 does not say \"$2\":" >&2
        head -5 "$work/$1" >&2
    fi
}
conclude() {
    echo "$((count - failed)) passed, $failed failed"
    [ "$failed" = 0 ]
}
