#!/bin/bash
# Stops the private Slurm that start.sh put into FOLDER: by the process numbers it left there.
# usage: tests/slurm/stop.sh FOLDER
set -uo pipefail
folder=$1
end() { # pid file
  local pid
  if [ -f "$1" ] && pid=$(cat "$1") && kill "$pid" 2>/dev/null; then
    for _ in $(seq 100); do
      kill -0 "$pid" 2>/dev/null || return 0
      sleep 0.1
    done
    kill -9 "$pid" 2>/dev/null
  fi
}
export SLURM_CONF="$folder/slurm.conf"
timeout 10 scancel --user="$(id -un)" 2>/dev/null
for file in "$folder"/slurmd.*.pid "$folder/slurmctld.pid" "$folder/munge/pid"; do
  end "$file"
done
