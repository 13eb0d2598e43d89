# SPDX-License-Identifier: MIT
# For the tests that reboot dom0 with OpenRC as init; what they need is that of tests/xen/reboot, but for
# the words that OpenRC has for it.
# shellcheck shell=bash disable=SC2154

# shellcheck source=tests/xen/reboot/helpers.bash
source "$BATS_TEST_DIRNAME/../reboot/helpers.bash"

show_service_logs()
{
    cat /var/log/reeved.log
}

is_active()
{
    rc-service --quiet "$1" status
}
