#!/bin/bash
# Runs studies through jobs/facet.sbatch on a private Slurm of four nodes on this machine (as root): a study on four
# nodes gives what one rank gives; interrupted, it goes back into the queue and ends the same; the job's exit
# status is facet's.
set -euo pipefail
cd "$(dirname "$0")/../.."
here=$(mktemp -d /tmp/facet-slurm.XXXXXX)
chmod 755 "$here"
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_MCA_btl=tcp,self # the four nodes share one /dev/shm
export FACET=$PWD/build/facet
passed=0 failed=0

finish() {
  tests/slurm/stop.sh "$here/slurm"
  if [ $failed = 0 ]; then
    rm -rf "$here"
  else
    echo "what is left of it: $here"
  fi
}
trap finish EXIT
check() { # what, command...
  if "${@:2}"; then
    passed=$((passed + 1))
    echo "ok   $1"
  else
    failed=$((failed + 1))
    echo "FAIL $1"
    tail -n 20 "$here"/*.log
    scontrol show job "${job:-1}"
  fi
}
study() { # name, training samples: writes a study and prints its file
  local data=/usr/share/datasets/fashion-mnist
  cat >"$here/$1.yaml" <<END
study: tiny
output: $1
data:
  train: {format: idx, images: $data/train-images-idx3-ubyte.gz, labels: $data/train-labels-idx1-ubyte.gz, count: $2}
  test: {format: idx, images: $data/t10k-images-idx3-ubyte.gz, labels: $data/t10k-labels-idx1-ubyte.gz, count: 600}
  normalize: {scale: 255, mean: [0.2860], std: [0.3530]}
block: 50
model: {architecture: {conv: [4, 8], dense: [16]}, train: {epochs: 1}}
variants:
  - {method: magnitude, scope: global, sparsity: [0.5, 0.9], retrain: {epochs: 1}}
conditions: [clean, {corruption: gaussian_noise, severity: 3}]
linearize: {variants: all, samples: 100, rows: predicted}
END
  echo "$here/$1.yaml"
}
checksum() { build/facet checksum "$here/$1/study.h5"; }
same() { [ -n "$(checksum "$1")" ] && [ "$(checksum "$1")" = "$(checksum "$2")" ]; }
submit() { sbatch --parsable --output="$here/%j.log" "$@"; }
field() { scontrol show job "$1" | tr ' ' '\n' | sed -n "s/^$2=//p"; }
state_becomes() { # job, state, seconds
  local i
  for i in $(seq $(($3 * 5))); do
    if [[ "|$2|" == *"|$(field "$1" JobState)|"* ]]; then
      return 0
    fi
    sleep 0.2
  done
  return 1
}
status_is() { # expected, command...
  local status=0
  "${@:2}" >/dev/null || status=$?
  [ $status = "$1" ]
}

tests/slurm/start.sh "$here/slurm"
export SLURM_CONF=$here/slurm/slurm.conf

mpirun -n 1 build/facet run "$(study alone 3000)" >"$here/alone.log" 2>&1
check "four nodes run a study" status_is 0 submit --wait -N 4 jobs/facet.sbatch "$(study four 3000)"
check "and get what one rank gets" same alone four
check "a missing study ends the job with 66" status_is 66 submit --wait -N 2 jobs/facet.sbatch "$here/none.yaml"

mpirun -n 2 build/facet run "$(study whole 60000)" >"$here/whole.log" 2>&1
job=$(submit -N 2 jobs/facet.sbatch "$(study broken 60000)")
check "a longer study starts" state_becomes "$job" RUNNING 60
for _ in $(seq 300); do # until it is well at work
  if [ -e "$here/broken/variants/dense.onnx" ]; then
    break
  fi
  sleep 0.2
done
scancel --batch --signal=USR1 "$job"
check "told that time is up, it goes back into the queue" state_becomes "$job" PENDING 60
check "after saying that it can be resumed" grep -q "run the same command again to go on" "$here/$job.log"
for _ in $(seq 60); do # Slurm holds it back for two minutes; nobody here waits for that
  scontrol update JobId="$job" StartTime=now 2>/dev/null || true
  if state_becomes "$job" 'RUNNING|COMPLETED' 1; then
    break
  fi
done
check "started again, it ends well" state_becomes "$job" COMPLETED 240
check "with the result of a run in one go" same whole broken

echo "$passed passed, $failed failed"
[ $failed = 0 ]
