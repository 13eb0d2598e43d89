/* SPDX-License-Identifier: MIT */
#include "core/verb_text.h"

#define ONLY_SENT                                                                                  \
    "xm, xl and virsh send the request and return, whether or not the guest obeys; here the verb " \
    "waits for the end of it."
#define ONLY_LIVE                                                                                  \
    "In xl, and in virsh without --config, the change is gone when the domain ends; here the "     \
    "stored config changes with it."

static const char *const tools[TOOL_N] = {
    [TOOL_XM] = "xm", [TOOL_XL] = "xl", [TOOL_VIRSH] = "virsh", [TOOL_XE] = "xe"};

/* clang-format off */
#define TEXT(verb_, usage_, what_, xm_, xl_, virsh_, xe_, beware_)                                 \
    [verb_] = {.usage = (usage_), .what = (what_), .beware = (beware_),                            \
               .named = {(xm_), (xl_), (virsh_), (xe_)}}
/* clang-format on */

static const struct verb_text texts[VERB_N] = {
    TEXT(VERB_NEW, "new FILE [key=value ...]",
         "Makes a domain known from a config file without starting it: it is managed and halted. "
         "--replace gives a known domain another config; while that one runs, the config waits "
         "for its next boot. Disks are not touched.",
         "new", "-", "define", "vm-install",
         "xm new and virsh define overwrite the config of a domain with the same uuid without a "
         "word; here that takes --replace."),
    TEXT(VERB_ADOPT, "adopt DOMAIN ...",
         "Makes a transient domain managed while its guest runs on untouched: from then on it "
         "survives its own end and can be suspended.",
         "-", "-", "define", "-",
         "virsh define does this when it is given the running domain's own XML."),
    TEXT(VERB_START, "start DOMAIN ...",
         "Boots a managed domain that is halted. --paused leaves it paused before its first "
         "instruction; --console shows its console.",
         "start", "create", "start", "vm-start",
         "virsh start goes on from a saved state when there is one; here start refuses a "
         "suspended domain, and resume is the word. xm start calls a suspended or paused domain "
         "\"already running\"."),
    TEXT(VERB_CREATE, "create FILE [key=value ...]",
         "Boots a domain straight from a config file. It is transient: when it ends, nothing is "
         "left of it but its disks. adopt turns it into a managed one.",
         "create", "create", "create", "-",
         "A domain that shall outlive its own end is made with new and booted with start."),
    TEXT(VERB_PAUSE, "pause DOMAIN ...",
         "Stops the guest's processors at once and keeps its memory; the guest is not told. "
         "It does not count: after any number of pauses, one unpause lets it run on.",
         "pause", "pause", "suspend", "vm-pause",
         "virsh calls this suspend; suspend here writes the state to disk and frees the memory."),
    TEXT(VERB_UNPAUSE, "unpause DOMAIN ...", "Lets a paused domain run on from where it stood.",
         "unpause", "unpause", "resume", "vm-unpause",
         "virsh calls this resume; resume here brings a suspended domain back from disk."),
    TEXT(VERB_SAVE, "save DOMAIN FILE",
         "Writes the guest's state to a file of your choice and ends the domain; restore goes on "
         "from there. A paused domain is saved as paused where the driver can; where it cannot, "
         "unpause it first. --checkpoint lets the guest run on after it.",
         "save", "save", "save", "vm-checkpoint",
         "xe has only the --checkpoint kind. A saved state fits its disks only until somebody "
         "writes to them: do not start the domain in between."),
    TEXT(VERB_RESTORE, "restore FILE [key=value ...]",
         "Goes on from a file that save wrote. The domain is transient, unless the managed domain "
         "that was saved (same uuid) is there and halted: then it is that one again. Refused when "
         "the disks have changed since, unless --force is given.",
         "restore", "restore", "restore", "-",
         "xm, xl and virsh do not look at the disks: a state restored over disks that have "
         "changed ruins the guest's filesystems."),
    TEXT(VERB_SUSPEND, "suspend DOMAIN ...",
         "Writes the guest's state to a place on disk that reeve keeps and frees its memory; it "
         "survives a reboot of the host. Managed domains only. A paused domain stays paused in "
         "it where the driver can; where it cannot, unpause it first.",
         "suspend", "-", "managedsave", "vm-suspend",
         "xm and xe mean the same. virsh suspend is pause here. xl suspend (Xen 4.20 and later) "
         "puts the guest to sleep with its memory kept."),
    TEXT(VERB_RESUME, "resume DOMAIN ...",
         "Brings a suspended domain back: it goes on from where it was, and is paused if it was "
         "paused or with --paused. A kept state is used once. When a power cut came in the "
         "middle of that, --force uses it again, unless the disks have changed.",
         "resume", "-", "start", "vm-resume",
         "virsh resume is unpause here. xl resume wakes a domain from xl's own suspend."),
    TEXT(VERB_DISCARD, "discard DOMAIN ...",
         "Drops the saved state of a suspended domain, which is halted then and boots afresh; "
         "what its guest had in memory is lost. The saved state of a broken domain is set aside, "
         "not removed.",
         "-", "-", "managedsave-remove", "vm-shutdown force=true",
         "With xm only a resume that worked led out of suspended."),
    TEXT(VERB_REBOOT, "reboot DOMAIN ...",
         "Asks the guest to reboot and waits until it has. One that does not within --timeout "
         "(120 seconds) runs on, exit 5; --force then resets it.",
         "reboot", "reboot", "reboot", "vm-reboot", ONLY_SENT),
    TEXT(VERB_RESET, "reset DOMAIN ...",
         "Presses the reset button: the guest boots afresh in the same domain, without having "
         "been asked; what it had not written to disk is lost. A domain that has shut down or "
         "crashed and is kept boots again by it, too.",
         "reset", "-", "reset", "vm-reboot force=true",
         "xl trigger DOMAIN reset is something else and for HVM guests only."),
    TEXT(VERB_SHUTDOWN, "shutdown DOMAIN ...",
         "Asks the guest to power off and waits until it has. One that does not within --timeout "
         "(120 seconds) runs on, exit 5; --force then destroys it. A managed domain is halted "
         "afterwards, a transient one is gone.",
         "shutdown", "shutdown", "shutdown", "vm-shutdown", ONLY_SENT),
    TEXT(VERB_DESTROY, "destroy DOMAIN ...",
         "Ends a domain at once, as if its plug were pulled. A managed domain is halted "
         "afterwards and keeps its config, a transient one is gone; disks stay. It also clears "
         "away what is kept of a domain that has shut down or crashed, and a broken one that "
         "still has something running.",
         "destroy", "destroy", "destroy", "vm-shutdown force=true",
         "xe vm-destroy is delete here: it removes the record."),
    TEXT(VERB_DELETE, "delete DOMAIN ...",
         "Forgets a managed domain that is halted; its disks stay. --destroy ends it first. Of a "
         "broken domain, record and saved state are set aside, not removed.",
         "delete", "-", "undefine", "vm-destroy",
         "xe vm-uninstall removes the disks as well; delete never does."),
    TEXT(VERB_DUMP_CORE, "dump-core DOMAIN [FILE]",
         "Writes the guest's memory to a core file for a debugger; the guest goes on as it was.",
         "dump-core", "dump-core", "dump", "-", ""),
    TEXT(VERB_RENAME, "rename DOMAIN NEW",
         "Gives a domain another name, in whatever state it is; its uuid stays.", "rename",
         "rename", "domrename", "vm-param-set",
         "xm's new name is forgotten when xend restarts; virsh wants the domain shut off."),
    TEXT(VERB_MEM_SET, "mem-set DOMAIN SIZE",
         "Changes how much memory the guest has, up to its mem-max: now, and in the stored "
         "config. Of a halted domain, and with --next-boot, only the latter.",
         "mem-set", "mem-set", "setmem", "vm-memory-dynamic-range-set",
         "A plain number is MiB here and in xl, KiB in virsh. " ONLY_LIVE),
    TEXT(VERB_VCPU_SET, "vcpu-set DOMAIN N",
         "Changes how many processors the guest has, up to its maxvcpus: now, and in the stored "
         "config. Of a halted domain, and with --next-boot, only the latter.",
         "vcpu-set", "vcpu-set", "setvcpus", "vm-vcpu-hotplug", ONLY_LIVE),
    TEXT(VERB_VCPU_PIN, "vcpu-pin DOMAIN VCPU|all CPUS",
         "Says on which processors of the host a guest's processor may run, until the domain "
         "ends.",
         "vcpu-pin", "vcpu-pin", "vcpupin", "-", ""),
    TEXT(VERB_ATTACH, "block-attach, network-attach, cd-insert DOMAIN ...",
         "Gives the guest a disk, a network card or a disc: now, and in the stored config. Of a "
         "halted domain, and with --next-boot, only the latter.",
         "block-attach", "block-attach", "attach-disk", "vbd-plug", ONLY_LIVE),
    TEXT(VERB_DETACH, "block-detach, network-detach, cd-eject DOMAIN ...",
         "Takes a disk, a network card or a disc from the guest: now, and in the stored config. "
         "Of a halted domain, and with --next-boot, only the latter.",
         "block-detach", "block-detach", "detach-disk", "vbd-unplug", ONLY_LIVE),
    TEXT(VERB_MEM_MAX, "mem-max DOMAIN SIZE",
         "Changes the most memory that mem-set may give: in the stored config, and in a running "
         "domain where the driver can.",
         "mem-max", "mem-max", "setmaxmem", "vm-memory-static-range-set",
         "xm mem-max on a running domain is not stored."),
    TEXT(VERB_CONFIG_SET, "config set DOMAIN key=value ...",
         "Changes the stored config, and a running domain where the driver can; the rest waits "
         "for its next boot.",
         "-", "config-update", "edit", "vm-param-set", ""),
    TEXT(VERB_SYSRQ, "sysrq DOMAIN KEY",
         "Sends a Linux guest a magic SysRq key. A paused guest cannot hear it.", "sysrq", "sysrq",
         "send-key", "-", ""),
    TEXT(VERB_TRIGGER, "trigger DOMAIN EVENT",
         "Sends the guest a hardware event, such as an NMI or the power button.", "trigger",
         "trigger", "inject-nmi", "-", ""),
    TEXT(VERB_CONSOLE, "console DOMAIN",
         "Connects your terminal to the guest's console. Of a domain that has shut down or "
         "crashed and is kept, it shows the last lines.",
         "console", "console", "console", "-", ""),
};

const char *tool_name(enum tool tool)
{
    return tools[tool];
}

const struct verb_text *verb_text(enum verb verb)
{
    return &texts[verb];
}
