#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# /etc/xen/xl.conf counts for reeve's guests as for xl's, and so do pools; nothing is left over.

# shellcheck disable=SC2154 # make_place sets place, begin_file daemon_pid

bats_require_minimum_version 1.5.0
# shellcheck disable=SC2034 # for helpers
xen_depth=../..
load ../helpers

setup_file()
{
    begin_file
    cp /etc/xen/xl.conf "$place/xl.conf.before"
    ip link add xenbr9 type bridge
    ip link set xenbr9 up
    make_xen_config conf-pv pv 'vif = ["mac=00:16:3e:00:00:08"]'
    make_xen_config conf-pvh pvh 'vcpus = 2'
}

setup()
{
    find_daemon
    cd "$place" || return 1
}

teardown()
{
    local domain
    show_daemon_log
    cp "$place/xl.conf.before" /etc/xen/xl.conf
    for domain in $(reeve list --format json | jq -r '.domains[] | select(.state == "running" or .state == "paused")
        | select(.name != "Domain-0") | .name'); do
        reeve destroy "$domain"
    done
    assert_no_leftovers
}

teardown_file()
{
    ip link del xenbr9
    end_file
}

# affinity NAME: the CPUs that each vCPU may run on, as xl says.
affinity()
{
    xl vcpu-list "$1" | awk 'NR > 1 { print $(NF - 2) }' | tr '\n' ' '
}

@test "the bridge of xl.conf is that of an interface that names none" {
    printf 'vif.default.bridge="xenbr9"\n' >>/etc/xen/xl.conf
    reeve create conf-pv.cfg -p
    [ "$(xl list -l conf-pv | jq -r '.[0].config.nics[0].bridge')" = xenbr9 ]
    local domid
    domid=$(xl domid conf-pv)
    [ "$(sed -n 's/^INTERFACE=//p' "/sys/class/net/vif$domid.0/brport/bridge/uevent")" = xenbr9 ]
}

@test "vm.cpumask keeps guests, and pins, off other CPUs" {
    printf 'vm.cpumask="0"\n' >>/etc/xen/xl.conf
    reeve create conf-pvh.cfg -p
    [ "$(affinity conf-pvh)" = "0 0 " ]
    reeve vcpu-pin conf-pvh all all
    [ "$(affinity conf-pvh)" = "0 0 " ]
    refused 2 vcpu-pin conf-pvh 0 1
    says 'vm.cpumask = "0" in xl.conf'
    reeve destroy conf-pvh
    printf 'cpus = "1"\n' | cat conf-pvh.cfg - >off.cfg
    refused 2 create off.cfg
    says 'vm.cpumask'
}

@test "domid_policy random gives ids that are not counted" {
    printf 'domid_policy="random"\n' >>/etc/xen/xl.conf
    reeve create conf-pvh.cfg -p
    local first
    first=$(xl domid conf-pvh)
    [ "$(field conf-pvh id)" = "$first" ]
    reeve destroy conf-pvh
    reeve create conf-pvh.cfg -p
    [ "$(xl domid conf-pvh)" -ne $((first + 1)) ]
}

@test "while xl builds under its lock reeve takes no memory, and builds after it" {
    printf 'autoballoon="on"\nvif.default.bridge="xenbr9"\nlockfile="%s/lock"\n' "$place" >>/etc/xen/xl.conf
    cat >slow-vif <<TEXT
#!/bin/bash
touch "$place/held"
for ((i = 0; i < 300; i++)); do
    [ ! -e "$place/go" ] || break
    sleep 0.1
done
exec /etc/xen/scripts/vif-bridge "\$@"
TEXT
    chmod +x slow-vif
    sed "s|:08\"|:08,script=$place/slow-vif\"|" conf-pv.cfg >slow.cfg
    xl create -p -q slow.cfg 3>&- &
    local xl=$! job
    wait_for 60 test -e held
    job=$(reeve create conf-pvh.cfg -p --no-wait --format json | jq .job.id)
    run ! wait_for 3 made conf-pvh
    touch go
    wait "$xl"
    reeve wait "job:$job" --timeout 120
    made conf-pvh
    xl destroy conf-pv
    reeve destroy conf-pvh
}

made()
{
    [ "$(xl_state "$1")" != absent ]
}

@test "a pool is acted on, and kept over a save and a restore" {
    [ "$(xl info nr_cpus)" -ge 2 ] || skip "one CPU"
    xl cpupool-cpu-remove Pool-0 1 || skip "the CPU cannot be taken out of Pool-0"
    xl cpupool-create name=\"apart\" sched=\"credit\" cpus=\"1\"
    printf 'pool = "apart"\n' | cat conf-pv.cfg - >pool.cfg
    reeve create pool.cfg
    [ "$(pool_of conf-pv)" = apart ]
    wait_boot conf-pv
    reeve save conf-pv pool.reeve
    reeve restore pool.reeve
    [ "$(pool_of conf-pv)" = apart ]
    reeve save conf-pv pool.xl --as xl
    reeve restore pool.xl
    [ "$(pool_of conf-pv)" = apart ]
    sed 's/apart/nowhere/' pool.cfg >none.cfg
    reeve destroy conf-pv
    run reeve create none.cfg
    [ "$status" -ne 0 ]
    echo "$output"
    [ "${#lines[@]}" -eq 1 ]
    xl cpupool-destroy apart
    xl cpupool-cpu-add Pool-0 1
}

pool_of()
{
    xl list -c "$1" | awk 'NR == 2 { print $NF }'
}
