#!/bin/sh
# What the images start: it prepares the GPU and the threads, then starts what it is given.
#
#   GPU_CLOCKS=max    the GPUs of `vivavoce serve` stay initialised and at their highest clock
#              leave  they are left as they are
#
# Both need rights that a container seldom has. What may not be done is said, and the server starts
# all the same. Clocks are put back when it ends. (CGROUP is another place of limits, for tests.)
set -u

say() { echo "entrypoint: $*" >&2; }

smi() { timeout 20 nvidia-smi "$@" 2>&1; }

# Processor time may be limited without processors being taken away ("cpus: 4"). Python and torch
# still see all those of the machine, start a thread for each, and these wait for each other.
limit_threads() {
    quota='' period=100000
    if [ -r "$1/cpu.max" ]; then
        read -r quota period <"$1/cpu.max"
    elif [ -r "$1/cpu/cpu.cfs_quota_us" ]; then
        read -r quota <"$1/cpu/cpu.cfs_quota_us"
        read -r period <"$1/cpu/cpu.cfs_period_us"
    fi
    case $quota in
        '' | *[!0-9]*) return ;; # max, or -1: no limit
    esac
    processors=$(((quota + period - 1) / period))
    [ "$processors" -lt "$(nproc)" ] || return
    export PYTHON_CPU_COUNT="${PYTHON_CPU_COUNT:-$processors}"
    export OMP_NUM_THREADS="${OMP_NUM_THREADS:-$processors}"
}

# `locked` and `persistent` get the GPUs whose clocks, whose mode were changed.
raise_clocks() {
    if ! gpus=$(smi --query-gpu=uuid,persistence_mode,clocks.max.graphics --format=csv,noheader,nounits); then
        say "nvidia-smi does not answer, so GPUs are left as they are: $gpus"
        return
    fi
    old_ifs=$IFS
    IFS=' ,'
    while read -r gpu mode clock; do
        [ -n "$gpu" ] || continue
        if [ "$mode" != Enabled ]; then
            if told=$(smi -i "$gpu" -pm 1); then
                persistent="$persistent $gpu"
            else
                say "$gpu: persistence mode stays off: $told"
            fi
        fi
        if told=$(smi -i "$gpu" -lgc "$clock,$clock"); then
            locked="$locked $gpu"
            say "$gpu: clock locked to $clock MHz until the server ends"
        else
            say "$gpu: clocks stay as they are: $told"
        fi
    done <<END
$gpus
END
    IFS=$old_ifs
}

put_clocks_back() {
    for gpu in $locked; do
        told=$(smi -i "$gpu" -rgc) || say "$gpu: its clock stays locked: $told"
    done
    for gpu in $persistent; do
        told=$(smi -i "$gpu" -pm 0) || say "$gpu: persistence mode stays on: $told"
    done
}

limit_threads "${CGROUP:-/sys/fs/cgroup}"

# Signals are the server's: at SIGTERM it lets answers finish, and only then clocks are put back.
server='' signalled='' locked='' persistent=''
for name in TERM INT HUP QUIT; do
    # shellcheck disable=SC2064 # the name is this one
    trap "signalled=1; [ -z \"\$server\" ] || kill -$name \"\$server\"" $name
done

if [ "$*" = "vivavoce serve" ] && command -v nvidia-smi >/dev/null; then
    case ${GPU_CLOCKS:-max} in
        max) raise_clocks ;;
        leave) ;;
        *)
            say "GPU_CLOCKS=$GPU_CLOCKS is not possible. Use max or leave."
            exit 1
            ;;
    esac
fi

# Started as root, for the clocks, it is the only thing that stays root.
if [ "$(id -u)" = 0 ]; then
    as_user="setpriv --reuid=10001 --regid=10001 --clear-groups --no-new-privs --"
    if ! $as_user true; then
        put_clocks_back
        say "The server does not run as root. Add the capabilities SETUID, SETGID and KILL, or set no user."
        exit 1
    fi
    # shellcheck disable=SC2086 # words, not one
    set -- $as_user "$@"
fi

if [ -n "$signalled" ]; then
    put_clocks_back
    exit 143
fi
[ -n "$locked$persistent" ] || exec "$@"

# In a session of its own, so that Ctrl-C comes once: a second signal ends answers at once.
setsid "$@" <&0 &
server=$!
[ -z "$signalled" ] || kill -TERM "$server"
status=0 signalled=1
while [ -n "$signalled" ]; do
    signalled=''
    wait "$server"
    ended=$?
    [ "$ended" = 127 ] || status=$ended
done
put_clocks_back
exit "$status"
