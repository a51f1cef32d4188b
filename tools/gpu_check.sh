#!/usr/bin/env bash
# This script shows what only a GPU can: the tests marked gpu, then each benchmark on the device beside its rival.
#   bash tools/gpu_check.sh [FOLDER]      writes FOLDER/*.json, FOLDER/gpu.json and FOLDER/gpu.md, runs/gpu by default
#   ASMG_DEVICE=cpu SMALL=1 LIMITS=4 bash tools/gpu_check.sh      tries the script itself out, four times as long
# Each part has its own limit; all limits together are six minutes. A part that fails or takes longer does not stop the
# others; the last line names it, and the exit status is 1.
set -uo pipefail
cd "$(dirname "$0")/.."
folder="${1:-runs/gpu}"
device="${ASMG_DEVICE:-cuda}"
python="${PYTHON:-python3}"
export PYTHONUNBUFFERED=1 PYTHONPATH=".${PYTHONPATH:+:$PYTHONPATH}"
mkdir -p "$folder"
failed=()
small=()
if [ -n "${SMALL:-}" ]; then small=(--users 300 --items 200 --batch-size 32 --history 4 --repeat 1); fi

part() { # NAME SECONDS COMMAND…
    local name="$1" limit=$(($2 * ${LIMITS:-1})) began=$SECONDS
    shift 2
    echo "== $name, at most $limit s: $*"
    timeout "$limit" "$@" || failed+=("$name")
    echo "== $name took $((SECONDS - began)) s"
}

benchmark() { # NAME SECONDS PART OPTION…
    local name="$1" limit="$2"
    shift 2
    part "$name" "$limit" "$python" tools/benchmark.py "$@" "${small[@]}" --device "$device" --folder "$folder/$name"
    if [ -f "$folder/$name/benchmark.json" ]; then cp "$folder/$name/benchmark.json" "$folder/$name.json"; fi
}

"$python" -c "import torch; print(torch.__version__, torch.cuda.get_device_name() if torch.cuda.is_available() else 'no GPU')"
if [ -n "${SMALL:-}" ]; then rows=64; else rows=221000; fi
# Compiling for the last part takes longer than that part has. It is done while tests run, whose times nobody measures.
timeout $((100 * ${LIMITS:-1})) "$python" tools/benchmark.py kernels "${small[@]}" --device "$device" --folder "$folder/compiling" \
    > "$folder/compiling.log" 2>&1 &
compiling=$!
mapfile -t tests < <(grep -rl "mark\.gpu" tests) # others may import what this machine has not
part tests 100 "$python" -m pytest -q -m gpu -p no:cacheprovider "${tests[@]}"
wait "$compiling" || echo "kernels were not compiled beforehand"
benchmark step 30 step
benchmark step-large 30 step --users 1000000 --items 1000000 --batch-size 8192 --repeat 5
benchmark generation 30 generation
benchmark profile 25 profile --repeat 5
benchmark scaling 25 scaling --repeat 5
benchmark memory 40 memory --rows 2048
if command -v nvidia-smi > /dev/null; then
    nvidia-smi --query-gpu=utilization.gpu,memory.used --format=csv,noheader,nounits -lms 200 > "$folder/use.csv" &
    watching=$!
fi
benchmark period 50 period --rows "$rows" --repeat 1
if [ -n "${watching:-}" ]; then kill "$watching"; fi
benchmark kernels 30 kernels

"$python" tools/benchmarks/gathered.py "$folder"
if [ ${#failed[@]} -gt 0 ]; then
    echo "failed: ${failed[*]}"
    exit 1
fi
