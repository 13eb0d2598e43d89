/* SPDX-License-Identifier: MIT */
#include "driver/qemu/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "driver/qemu/bridge_helper.h"

/* Root in a container may lack it, and another user may have been given it alone. */
static bool may_make_interfaces(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {0};

    return syscall(SYS_capget, &header, data) == 0 &&
           (data[0].effective & (1U << CAP_NET_ADMIN)) != 0;
}

int tap_check(const char *bridge, const char *ifname, struct err *e)
{
    bool may = may_make_interfaces();

    if (!may && !bridge_helper_path())
        return err_set(
            e, ERR_UNSUPPORTED,
            "vif: bridge=%s needs a reeved that is root, or has the capability "
            "CAP_NET_ADMIN, or QEMU's qemu-bridge-helper set-user-ID root with \"allow %s\" "
            "in /etc/qemu/bridge.conf; without bridge= the guest has the user network",
            bridge, bridge);
    if (!may && ifname)
        return err_set(e, ERR_UNSUPPORTED,
                       "vif: vifname=%s needs a reeved that is root or has the capability "
                       "CAP_NET_ADMIN: qemu-bridge-helper names its ports itself",
                       ifname);
    AUTO_FREE char *path = x_asprintf("/sys/class/net/%s/bridge", bridge);
    if (!strchr(bridge, '/') && strlen(bridge) < IFNAMSIZ && access(path, F_OK) == 0)
        return 0;
    return err_set(e, ERR_BAD_CONFIG, "vif: there is no bridge %s", bridge);
}

/* The bridge takes the lowest address of its ports as its own: a tap's must not be the lowest. */
static int set_address(int control, struct ifreq *request, const char *mac)
{
    unsigned byte[6];

    if (sscanf(mac, "%2x:%2x:%2x:%2x:%2x:%2x", &byte[0], &byte[1], &byte[2], &byte[3], &byte[4],
               &byte[5]) != 6) {
        errno = EINVAL;
        return -1;
    }
    request->ifr_hwaddr.sa_family = ARPHRD_ETHER;
    for (size_t i = 0; i < ARRAY_LEN(byte); i++)
        request->ifr_hwaddr.sa_data[i] = (char)(i == 0 ? 0xfe : byte[i]);
    return ioctl(control, SIOCSIFHWADDR, request);
}

static int set_up(int control, struct ifreq *request)
{
    if (ioctl(control, SIOCGIFFLAGS, request) < 0)
        return -1;
    request->ifr_flags = (short)(request->ifr_flags | IFF_UP);
    return ioctl(control, SIOCSIFFLAGS, request);
}

static int join(const char *bridge, const char *tap, const char *mac)
{
    AUTO_CLOSE int control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct ifreq request = {0};

    str_copy(request.ifr_name, sizeof request.ifr_name, tap);
    if (control < 0 || set_address(control, &request, mac) < 0)
        return -1;
    struct ifreq port = {.ifr_ifindex = (int)if_nametoindex(tap)};
    str_copy(port.ifr_name, sizeof port.ifr_name, bridge);
    if (ioctl(control, SIOCBRADDIF, &port) < 0)
        return -1;
    return set_up(control, &request);
}

int tap_open(const char *bridge, const char *ifname, const char *mac, int *ret_fd, struct err *e)
{
    if (!may_make_interfaces() && bridge_helper_path())
        return bridge_helper_open(bridge_helper_path(), bridge, ret_fd, e);
    AUTO_CLOSE int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
    struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};

    if (fd < 0)
        return err_errno(e, ERR_FAILED, errno, "vif: cannot open /dev/net/tun");
    if (!str_copy(request.ifr_name, sizeof request.ifr_name, ifname ? ifname : "reeve%d"))
        return err_set(e, ERR_BAD_CONFIG, "vif: vifname=%s is longer than %d characters", ifname,
                       IFNAMSIZ - 1);
    if (ioctl(fd, TUNSETIFF, &request) < 0)
        return err_errno(e, ERR_FAILED, errno, "vif: cannot make the interface %s",
                         request.ifr_name);
    if (join(bridge, request.ifr_name, mac) < 0)
        return err_errno(e, ERR_FAILED, errno, "vif: cannot put %s on the bridge %s",
                         request.ifr_name, bridge);
    *ret_fd = TAKE_FD(fd);
    return 0;
}
