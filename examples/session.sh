# For the `run` scripts: a region of their own, processes that are bounded in time, and an end at which nothing is left.
# To be sourced, with bash. `programs` is where the built examples are, `work` a folder for the script's own files.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[1]}")" && pwd)
example=$(basename "$here")
cd "$here/../.."

export DMXP_REGION="dmxp-$example-$$"
region="${DMXP_DIR:-/dev/shm}/$DMXP_REGION"
work=$(mktemp -d)
# Seconds that a process may take; they need less than one.
limit=60
declare -A names

cleanup() {
    for pid in "${!names[@]}"; do
        kill "$pid" 2>/dev/null || true
    done
    rm -rf "$work"
    rm -f "$region" "${region%/*}/.${region##*/}."*.locks
}
trap cleanup EXIT
trap 'exit 130' INT TERM

fail() {
    echo "$example: $*" >&2
    exit 1
}

# has TOOL LANGUAGE: whether the tool is there. Where it must be, its absence is a failure.
has() {
    if command -v "$1" >/dev/null; then
        return 0
    fi
    if [[ -n "${CI:-}" ]]; then
        fail "$1 is missing, and CI is set"
    fi
    echo "$example: $1 is missing: skipping $2"
    return 1
}

# build EXAMPLE...: the Rust programs.
build() {
    cargo build --release --quiet --package dmxp-examples "${@/#/--example=}"
    target=$(cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
    programs="$target/release/examples"
}

# start NAME COMMAND...: a process in the background; what it prints is in the file $work/NAME.
start() {
    local name=$1
    shift
    timeout "$limit" "$@" >"$work/$name" &
    names[$!]=$name
}

# Waits for all that were started. Who fails ends it all: the others would wait for it.
finish() {
    local ended status
    while ((${#names[@]} > 0)); do
        status=0
        wait -n -p ended "${!names[@]}" || status=$?
        if ((status == 124)); then
            fail "${names[$ended]} did not end within $limit s"
        elif ((status != 0)); then
            fail "${names[$ended]} failed"
        fi
        unset "names[$ended]"
    done
}
