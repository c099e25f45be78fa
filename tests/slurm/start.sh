#!/bin/bash
# Starts a private Slurm of four nodes on this one machine, as root, without touching /etc or a Slurm that is
# there: own munge key, sockets, ports and state, all below one folder.
# usage: tests/slurm/start.sh FOLDER     then: export SLURM_CONF=FOLDER/slurm.conf
set -euo pipefail
folder=$1
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
mkdir -p "$folder"/{munge,state,spool}
chmod 755 "$folder"
chmod 711 "$folder/munge"
host=$(hostname -s)
cpus=$(env -u OMP_NUM_THREADS nproc) # nproc takes that for the number of cores

head -c 1024 /dev/urandom >"$folder/munge/key"
chmod 600 "$folder/munge/key"
munged --force --key-file="$folder/munge/key" --socket="$folder/munge/socket" --pid-file="$folder/munge/pid" \
  --log-file="$folder/munge/log" --seed-file="$folder/munge/seed"

# Quick to see that a node is lost, and to start again what was put back: cred_expire is how long Slurm waits with that.
# What has ended stays known, however long the whole takes.
# Ports that nobody listens on: the controller's, then one for each node.
base=$((17000 + $$ % 1000 * 10))
cat >"$folder/slurm.conf" <<END
ClusterName=facet
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$folder/munge/socket,cred_expire=5
CredType=cred/munge
SlurmctldPort=$base
SlurmctldPidFile=$folder/slurmctld.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdPidFile=$folder/slurmd.%n.pid
SlurmdLogFile=$folder/slurmd.%n.log
SlurmdSpoolDir=$folder/spool/%n
StateSaveLocation=$folder/state
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
KillWait=5
SlurmdTimeout=10
MinJobAge=3600
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SchedulerParameters=batch_sched_delay=0,sched_interval=1
NodeName=n[1-4] NodeHostname=$host NodeAddr=127.0.0.1 Port=$((base + 1))-$((base + 4)) CPUs=$cpus State=UNKNOWN
PartitionName=all Nodes=n[1-4] Default=YES MaxTime=INFINITE State=UP PriorityTier=1 GraceTime=30
PartitionName=urgent Nodes=n[1-4] MaxTime=INFINITE State=UP PriorityTier=2 PreemptMode=OFF
END
export SLURM_CONF="$folder/slurm.conf"
slurmctld -f "$SLURM_CONF" -i
for node in n1 n2 n3 n4; do
  slurmd -f "$SLURM_CONF" -N $node
done
for _ in $(seq 60); do
  if [ "$(sinfo -h -t idle -o %D 2>/dev/null)" = 4 ]; then
    echo "slurm: four nodes are up; export SLURM_CONF=$SLURM_CONF"
    exit 0
  fi
  sleep 0.5
done
echo "slurm: the nodes did not come up; see $folder/*.log" >&2
exit 1
