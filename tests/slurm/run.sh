#!/bin/bash
# Runs studies through jobs/facet.sbatch on a private Slurm of four nodes on this machine (as root). Whatever happens
# to a job, it goes on by itself and ends with what one rank gets alone: time is up, it is put back in the middle, a
# more urgent job takes its node, a node is lost, a node hangs. What brings nothing new ends, and so does what is
# cancelled; a job's exit status is facet's. Jobs run side by side, to be done in four minutes; and the first start of each
# is held in its middle, so that it is not over before what is to happen to it.
set -euo pipefail
cd "$(dirname "$0")/../.."
here=$(mktemp -d /tmp/facet-slurm.XXXXXX)
chmod 755 "$here"
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_MCA_btl=tcp,self          # the four nodes share one /dev/shm
export OMPI_MCA_mpi_yield_when_idle=1 # and the processors
export FACET=$PWD/build/facet
passed=0 failed=0 began=$SECONDS

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
    echo "ok   $1 ($((SECONDS - began)) s)"
  else
    failed=$((failed + 1))
    echo "FAIL $1 ($((SECONDS - began)) s)"
    squeue || true
    tail -n 15 "$here"/*.log
  fi
}
study() { # name: writes a study and prints its file
  local data=/usr/share/datasets/fashion-mnist
  cat >"$here/$1.yaml" <<END
study: tiny
output: $1
data:
  train: {format: idx, images: $data/train-images-idx3-ubyte.gz, labels: $data/train-labels-idx1-ubyte.gz, count: 5000}
  test: {format: idx, images: $data/t10k-images-idx3-ubyte.gz, labels: $data/t10k-labels-idx1-ubyte.gz, count: 600}
  normalize: {scale: 255, mean: [0.2860], std: [0.3530]}
block: 50
model: {architecture: {conv: [4, 8], dense: [16]}, train: {epochs: 2}}
variants:
  - {method: magnitude, scope: global, sparsity: [0.5, 0.9], retrain: {epochs: 1}}
conditions: [clean, {corruption: gaussian_noise, severity: 3}]
linearize: {variants: all, samples: 100, rows: predicted}
END
  echo "$here/$1.yaml"
}
whole() { # an output: has what a run in one go has
  local sum
  sum=$(build/facet checksum "$here/alone/study.h5") && [ "$sum" = "$(build/facet checksum "$here/$1/study.h5")" ]
}
submit() { sbatch --parsable --output="$here/%j.log" "$@"; }
field() { scontrol show job "$1" | tr ' ' '\n' | sed -n "s/^$2=//p"; }
within() { # seconds, command...: until it is true
  local i
  for i in $(seq $(($1 * 5))); do
    if "${@:2}"; then
      return 0
    fi
    sleep 0.2
  done
  return 1
}
state_is() { [ "$(field "$1" JobState)" = "$2" ]; } # of a job
at_work() { [ -e "$here/$1.held" ]; } # a study's first start, which waits in its middle
go_on() { rm "$here/$1.held"; }
restarted() { [ "$(field "$1" Restarts)" -ge "$2" ]; }
has_run() { state_is "$1" COMPLETED && restarted "$1" "$2"; }
says() { grep -q "$2" "$(field "$1" StdOut)"; }
status_is() { # expected, command...
  local status=0
  "${@:2}" >/dev/null || status=$?
  [ $status = "$1" ]
}
rank_of() { # study, rank: its process
  local pid
  for pid in $(pgrep -f "^$FACET run .*/$1.yaml"); do
    if grep -qzx "OMPI_COMM_WORLD_RANK=$2" "/proc/$pid/environ" && grep -qx facet "/proc/$pid/comm"; then
      echo "$pid"
    fi
  done
}
pid_file() { echo "$here/slurm/slurmd.$1.pid"; }

tests/slurm/start.sh "$here/slurm"
export SLURM_CONF=$here/slurm/slurm.conf
build/facet run "$(study alone)" >"$here/alone.log" 2>&1
# facet whose first start waits behind its first network, until it hears a signal or what it leaves in *.held is removed.
cc -D_GNU_SOURCE -std=c17 -O1 -fPIC -shared -o "$here/held.so" tests/study/held.c -ldl
cat >"$here/held" <<END
#!/bin/bash
study=\${@: -1}
[ "\${SLURM_RESTART_COUNT:-0}" != 0 ] || [ "\$1" != run ] ||
  export LD_PRELOAD=$here/held.so HELD_AT=variants/dense.onnx HELD_MARK=\${study%.yaml}.held
exec $FACET "\$@"
END
chmod +x "$here/held"

# ---- one node each: time is up; put back, and preempted, as tasks of an array; what never gets anywhere ----
cat >"$here/stuck" <<'END'
#!/bin/bash
[ "$1" = run ] && exit 75
echo "x: 1 networks"
END
chmod +x "$here/stuck"
limit=$(FACET=$here/held submit -N 1 -n 1 -t 1 --signal=B:USR1@25 jobs/facet.sbatch "$(study limit)")
array=$(FACET=$here/held submit -N 1 -n 1 --array=0-1 jobs/facet.sbatch "$(study requeue)" "$(study preempt)")
stuck=$(FACET=$here/stuck submit -N 1 -n 1 jobs/facet.sbatch "$here/alone.yaml")
check "tasks of an array start, a study each" within 90 at_work requeue
scontrol requeue "${array}_0"
check "and the other" within 90 at_work preempt
urgent=$(submit -p urgent -N 1 -n 1 -w "$(field "${array}_1" NodeList)" --wrap true)
check "put back in the middle, it ends well" within 120 has_run "${array}_0" 1
check "with the result of a run in one go" whole requeue
check "an urgent job takes a node" within 60 state_is "$urgent" COMPLETED
check "whose job starts again and ends well" within 120 has_run "${array}_1" 1
check "with the result of a run in one go" whole preempt

# ---- two nodes each: one is lost; one hangs ----
lost=$(FACET=$here/held submit -N 2 -n 2 jobs/facet.sbatch "$(study lost)")
check "a study of two nodes starts" within 90 at_work lost
node=$(comm -13 <(field "$lost" BatchHost) <(scontrol show hostnames "$(field "$lost" NodeList)") | head -n 1)
kill -9 "$(cat "$(pid_file "$node")")"
# Rank 0 goes on saying that it waits, every five seconds.
hang=$(FACET=$here/held FACET_SILENCE=0.5 FACET_STALL=20 submit -N 2 -n 2 jobs/facet.sbatch "$(study hang)")
check "another study of two nodes starts" within 90 at_work hang
kill -STOP "$(rank_of hang 1)"
go_on hang
check "without the daemon of a node, the job goes back into the queue" within 90 restarted "$lost" 1
slurmd -f "$SLURM_CONF" -N "$node"
check "with the node back, it ends well" within 180 has_run "$lost" 1
check "with the result of a run in one go" whole lost
check "a rank that hangs ends the job, and it starts again and ends well" within 150 has_run "$hang" 1
check "after it has said why" says "$hang" "nothing moved for 20 s; back into the queue"
check "with the result of a run in one go" whole hang

# ---- how jobs end ----
cancelled=$(FACET=$here/held submit -N 1 -n 1 jobs/facet.sbatch "$(study cancelled)")
check "one more study starts" within 120 at_work cancelled
scancel "$cancelled"
check "cancelled, it stays so" within 60 state_is "$cancelled" CANCELLED
check "what brings nothing new ends with 75" within 60 state_is "$stuck" FAILED
check "after three restarts" says "$stuck" "nothing has moved in 3 restarts"
check "a missing study ends the job with 66" status_is 66 submit --wait -N 2 jobs/facet.sbatch "$here/none.yaml"
check "when time is up, a job starts again and ends well" within 150 has_run "$limit" 1
check "after it has said why" says "$limit" "told to stop; back into the queue"
check "with the result of a run in one go" whole limit

check "what was cancelled is so still" state_is "$cancelled" CANCELLED

echo "$passed passed, $failed failed, in $((SECONDS - began)) s"
[ $failed = 0 ]
