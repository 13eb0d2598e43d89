#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What a domain has comes and goes while it lives, and the stored config with it; the guest itself says
# what it sees.

# shellcheck disable=SC2154 # make_place sets place

load helpers

setup()
{
    make_place
    start_daemon qemu
}

teardown()
{
    clear_place
}

# stored NAME LINE: the stored config has that line, blanks apart.
stored()
{
    if ! field "$1" config | tr -d ' ' | grep -qxF -- "$2"; then
        field "$1" config >&2
        return 1
    fi
}

# guest_mib NAME: the memory that the guest says it has.
guest_mib()
{
    ask "$1" mem 'mem [0-9]* KiB'
    echo $(($(answer "$1" 'mem \([0-9]*\) KiB') / 1024))
}

@test "memory and vcpus change in the guest and in the stored config, or at the next boot alone" {
    local before
    make_config web1 '# kept' 'maxvcpus = 4' 'memory = 128' 'maxmem = 160'
    run_guest web1 managed
    before=$(guest_mib web1)

    reeve mem-set web1 96 | grep -qF 'set the memory of web1 to 96 MiB; its guest has'
    [ "$(guest_mib web1)" -le $((before - 28)) ]
    [ "$(field web1 memory_kib)" = 98304 ]
    stored web1 memory=96
    field web1 config | grep -qxF '# kept'
    reeve mem-set web1 163840k --format json |
        jq -e '.reached_kib == 163840 and .domain.memory_kib == 163840 and .job.outcome == "done"'
    [ "$(guest_mib web1)" -ge $((before + 24)) ]
    refused 2 mem-set web1 161
    says 'mem-max'
    refused 2 mem-set web1 lots
    refused 2 mem-set web1 0
    refused 2 mem-max web1 96
    says 'mem-set lowers'
    reeve mem-set web1 128

    reeve vcpu-set web1 2
    ask web1 cpus 'cpus 2'
    stored web1 vcpus=2
    reeve vcpu-list web1 --format json |
        jq -e '[.vcpus[] | .online] == [true, true, false, false]'
    reeve vcpu-list --format csv | head -n 1 | grep -qx 'name,id,vcpu,cpu,state,time,affinity'
    reeve vcpu-pin web1 1 0
    reeve vcpu-list web1 --format json | jq -e '.vcpus[1].affinity == "0"'
    refused 2 vcpu-pin web1 3 0
    refused 2 vcpu-pin web1 0 9-x
    refused 2 vcpu-set web1 5
    says 'maxvcpus'
    # Under TCG QEMU cannot take a CPU out again.
    refused 9 vcpu-set web1 1
    [ "$(field web1 vcpus)" = 2 ]
    stored web1 vcpus=2

    # What waits for the next boot is in no image of this one.
    reeve vcpu-set web1 3 --next-boot | grep -qF 'it acts at the next boot'
    reeve mem-set web1 112 --next-boot
    reeve mem-max web1 200
    stored web1 vcpus=3
    [ "$(field web1 vcpus)" = 2 ]
    before=$(guest_count web1)
    size=$(console_size web1)
    reeve suspend web1
    refused 4 mem-set web1 96
    says 'resume'
    reeve resume web1
    assert_goes_on web1 "$before" "$size"
    ask web1 cpus 'cpus 2'
    [ "$(field web1 memory_kib)" = 131072 ]
    kill9_daemon
    start_daemon qemu
    size=$(console_size web1)
    reeve reboot web1 | grep -qF 'with the config that waited for it'
    wait_boot web1 "$size"
    ask web1 cpus 'cpus 3'
    [ "$(field web1 memory_kib)" = 114688 ]
    [ "$(field web1 max_memory_kib)" = 204800 ]

    reeve destroy web1
    reeve mem-set web1 64 | grep -qF 'start boots it so'
    [ "$(field web1 memory_kib)" = 65536 ]
    [ "$(field web1 max_memory_kib)" = 204800 ]
    refused 4 vcpu-pin web1 0 0
}

@test "a guest that does not give up memory keeps what it had, and so does the stored config" {
    make_config web1 'cmdline = "console=ttyS0 quiet rdinit=/bin/sleep -- 600"'
    reeve new "$place/web1.cfg"
    reeve start web1
    refused 5 mem-set web1 48 --timeout 2
    says 'it has its 96 MiB again, and nothing is stored'
    [ "$(field web1 memory_kib)" = 98304 ]
    stored web1 memory=96
    settled web1
}
