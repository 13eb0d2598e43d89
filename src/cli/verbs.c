/* SPDX-License-Identifier: MIT */
#include "cli/verbs.h"

#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "cli/run.h"

/* The tables are laid out by hand. */
/* clang-format off */
const struct option_row verbs_global_options[] = {
    {OPT_SOCKET,  0,   "socket",  "PATH",
     "the daemon's socket (else REEVE_SOCKET, your own, the system's)"},
    {OPT_FORMAT,  0,   "format",  "FORMAT", "table, json or csv"},
    {OPT_QUIET,   'q', "quiet",   NULL,     "no messages but errors and warnings"},
    {OPT_VERSION, 'V', "version", NULL,     "print the version"},
    {OPT_HELP,    'h', "help",    NULL,     "print help"},
    {0},
};

const struct option_row verbs_wait_options[] = {
    {OPT_NO_WAIT, 0, "no-wait", NULL, "print the job and return at once (wait job:N waits for it)"},
    {0},
};

#define PAUSED(what) {OPT_PAUSED, 'p', "paused", NULL, what}
#define CONSOLE {OPT_CONSOLE, 'c', "console", NULL, "attach to the console afterwards"}
#define DRY_RUN {OPT_DRY_RUN, 0, "dry-run", NULL, "check everything, change nothing"}
#define ALL_RUNNING                                                                                \
    {OPT_ALL, 'a', "all", NULL, "every running or paused domain, side by side, but Domain-0"}
#define GUEST_TIMEOUT {OPT_TIMEOUT, 0, "timeout", "SECONDS", "how long the guest may take (120)"}

static const struct option_row new_options[] = {
    {OPT_REPLACE, 0, "replace", NULL, "replace the config of a domain that exists"},
    DRY_RUN,
    {0},
};
static const struct option_row create_options[] = {
    PAUSED("leave it paused before its first instruction"),
    CONSOLE,
    DRY_RUN,
    {0},
};
static const struct option_row adopt_options[] = {
    {OPT_ALL, 'a', "all", NULL, "every domain that is not managed yet"},
    DRY_RUN,
    {0},
};
static const struct option_row delete_options[] = {
    {OPT_DESTROY, 0, "destroy", NULL, "destroy it first when it runs"},
    {0},
};
static const struct option_row start_options[] = {
    PAUSED("leave it paused before its first instruction"),
    CONSOLE,
    {0},
};
static const struct option_row resume_options[] = {
    PAUSED("leave it paused where it was"),
    CONSOLE,
    {OPT_FORCE, 0, "force", NULL, "even from a spent image, or with disks that have changed"},
    {0},
};
static const struct option_row restore_options[] = {
    PAUSED("leave it paused where it was"),
    CONSOLE,
    {OPT_FORCE, 0, "force", NULL, "even with disks that have changed since the save"},
    {0},
};
#define LEVEL                                                                                      \
    {OPT_LEVEL, 0, "level", "N",                                                                   \
     "how the image is packed: 1 to 19 (small), -1 (the default) to -7 (fast), 0 plain"}

static const struct option_row save_options[] = {
    {OPT_CHECKPOINT, 'c', "checkpoint", NULL,       "let the domain run on after the save"},
    {OPT_AS,         0,   "as",         "reeve|xl", "the format of the file"},
    LEVEL,
    {0},
};
static const struct option_row suspend_options[] = {
    LEVEL,
    {0},
};
static const struct option_row image_options[] = {
    {OPT_AS, 0, "as", "reeve|xl", "export: the format of OUT"},
    LEVEL,
    {0},
};
static const struct option_row shutdown_options[] = {
    ALL_RUNNING,
    GUEST_TIMEOUT,
    {OPT_FORCE, 0, "force", NULL, "destroy it when the time is over"},
    {0},
};
static const struct option_row reboot_options[] = {
    ALL_RUNNING,
    GUEST_TIMEOUT,
    {OPT_FORCE, 0, "force", NULL, "reset it when the time is over"},
    {0},
};
static const struct option_row list_options[] = {
    {OPT_LONG,    'l', "long",    NULL,    "every field of each domain"},
    {OPT_STATE,   0,   "state",   "STATE", "only domains in this state"},
    {OPT_COLUMNS, 0,   "columns", "A,B",   "these columns (reeve help list names them)"},
    {0},
};
static const struct option_row log_options[] = {
    {OPT_SINCE,  0,   "since",  "TIME|SEQ", "from this time, or after this sequence number"},
    {OPT_FOLLOW, 'f', "follow", NULL,       "print what happens from now on as well"},
    {0},
};
static const struct option_row top_options[] = {
    {OPT_BATCH,  'b', "batch",  NULL,      "print, without a screen"},
    {OPT_ROUNDS, 'n', "rounds", "N",       "end after N rounds (with --batch)"},
    {OPT_DELAY,  'd', "delay",  "SECONDS", "the time between two rounds (2)"},
    {OPT_SORT,   0,   "sort",   "KEY",     "the order: cpu, memory, disk, net or name"},
    {0},
};
static const struct option_row wait_options[] = {
    {OPT_FOR,     0, "for",     "STATE",   "the state to wait for (or absent)"},
    {OPT_TIMEOUT, 0, "timeout", "SECONDS", "give up after this time (exit 5)"},
    {0},
};
static const struct option_row doctor_options[] = {
    {OPT_REPAIR, 0, "repair", NULL, "put right what can be"},
    {0},
};
#define NEXT_BOOT                                                                                  \
    {OPT_NEXT_BOOT, 0, "next-boot", NULL, "change the stored config alone: it acts at the next boot"}

static const struct option_row next_boot_options[] = {
    NEXT_BOOT,
    {0},
};
static const struct option_row guest_options[] = {
    NEXT_BOOT,
    {OPT_TIMEOUT, 0, "timeout", "SECONDS", "how long the guest may take (60)"},
    {0},
};
static const struct option_row hostrun_options[] = {
    {OPT_PARALLEL, 0, "parallel", "N", "how many domains at once (4)"},
    {0},
};
static const struct option_row help_options[] = {
    {OPT_BASH,  0, "bash",  NULL, "print the completion for bash"},
    {OPT_SCDOC, 0, "scdoc", NULL, "print the manual's list of verbs"},
    {0},
};

#define HOST(verb, what)                                                                           \
    {.name = verb, .operands = "...", .max = -1, .kind = KIND_HOST, .help = what}
#define DOMAINS .operands = "DOMAIN ...", .min = 1, .max = -1

static const struct verb_row rows[] = {
    {.name = "new", .elsewhere = "define add register", .operands = "FILE [key=value ...]",
     .min = 1, .max = -1, .options = new_options, .kind = KIND_CHANGES, .doing = "making",
     .help = "keep a domain from a config file, halted",
     .text = "The domain is managed: it stays known when it ends, until delete. Relative paths "
             "in FILE are relative to FILE's folder.", .run = run_config_file},
    {.name = "create", .elsewhere = "run launch", .operands = "FILE [key=value ...]", .min = 1,
     .max = -1, .options = create_options, .kind = KIND_CHANGES, .doing = "creating",
     .help = "start a domain from a config file, gone when it ends",
     .text = "The domain is transient; adopt makes it managed. new and start give a domain that "
             "stays. Relative paths in FILE are relative to FILE's folder.",
     .run = run_config_file},
    {.name = "adopt", .elsewhere = "manage", .operands = "DOMAIN ... | --all", .min = 0, .max = -1,
     .options = adopt_options, .kind = KIND_CHANGES, .doing = "adopting",
     .help = "make a transient domain managed, untouched", .run = run_adopt},
    {.name = "delete", .elsewhere = "undefine remove rm unregister vm-uninstall", DOMAINS,
     .options = delete_options, .kind = KIND_CHANGES, .doing = "deleting",
     .help = "forget a halted domain; its disks stay", .run = run_life},
    {.name = "start", .elsewhere = "boot up vm-start power-on", DOMAINS, .options = start_options,
     .kind = KIND_CHANGES, .doing = "starting", .help = "boot a managed domain", .run = run_life},
    {.name = "resume", .elsewhere = "vm-resume", DOMAINS, .options = resume_options,
     .kind = KIND_CHANGES, .doing = "resuming",
     .help = "let a suspended domain go on from its image",
     .text = "virsh's resume is reeve's unpause.", .run = run_life},
    {.name = "restore", .operands = "FILE [key=value ...]", .min = 1, .max = -1,
     .options = restore_options, .kind = KIND_CHANGES, .doing = "restoring",
     .help = "let a saved domain go on from a file", .run = run_restore},
    {.name = "save", .operands = "DOMAIN FILE", .min = 2, .max = 2, .options = save_options,
     .kind = KIND_CHANGES, .doing = "saving",
     .help = "put a running domain into a file and end it",
     .text = "Ctrl-C cancels: the domain runs on and FILE is not written. FILE is opened with "
             "your own rights.", .run = run_save},
    {.name = "suspend", .elsewhere = "managedsave hibernate vm-suspend", DOMAINS,
     .options = suspend_options,
     .kind = KIND_CHANGES, .doing = "suspending",
     .help = "put a running domain into an image that the daemon keeps",
     .text = "virsh's suspend is reeve's pause.", .run = run_life},
    {.name = "discard", .elsewhere = "managedsave-remove", DOMAINS, .kind = KIND_CHANGES,
     .doing = "discarding", .help = "give up the image of a suspended domain: it is halted",
     .run = run_life},
    {.name = "pause", .elsewhere = "freeze stop-cpu", DOMAINS, .kind = KIND_CHANGES,
     .doing = "pausing", .help = "stop a running domain where it is; it keeps its memory",
     .run = run_life},
    {.name = "unpause", .elsewhere = "continue cont unfreeze thaw", DOMAINS, .kind = KIND_CHANGES,
     .doing = "unpausing", .help = "let a paused domain run on", .run = run_life},
    {.name = "reset", .elsewhere = "hard-reboot", DOMAINS, .kind = KIND_CHANGES,
     .doing = "resetting", .help = "restart a domain at once, as by the reset button",
     .run = run_life},
    {.name = "destroy", .elsewhere = "kill stop force-off power-off", DOMAINS,
     .kind = KIND_CHANGES, .doing = "destroying",
     .help = "end a domain at once, as by pulling the plug",
     .text = "A managed domain is halted afterwards; nothing on disk is removed.", .run = run_life},
    {.name = "shutdown", .elsewhere = "poweroff halt vm-shutdown",
     .operands = "DOMAIN ... | --all", .min = 0, .max = -1, .options = shutdown_options,
     .kind = KIND_CHANGES, .doing = "shutting down",
     .help = "ask the guest to power off, and wait until it has",
     .text = "When the time is over the guest runs on and the exit status is 5.", .run = run_all},
    {.name = "reboot", .elsewhere = "restart vm-reboot", .operands = "DOMAIN ... | --all",
     .min = 0, .max = -1, .options = reboot_options, .kind = KIND_CHANGES, .doing = "rebooting",
     .help = "ask the guest to restart, and wait until it has",
     .text = "When the time is over the guest runs on and the exit status is 5.", .run = run_all},
    {.name = "rename", .elsewhere = "domrename", .operands = "DOMAIN NEW", .min = 2, .max = 2,
     .kind = KIND_CHANGES, .doing = "renaming", .help = "give a domain another name",
     .text = "Its console log is renamed with it; uuid, id and history stay.", .run = run_rename},
    {.name = "config", .elsewhere = "dumpxml config-update",
     .operands = "show|edit|set|history|diff DOMAIN [key=value ...]", .min = 2, .max = -1,
     .options = next_boot_options, .kind = KIND_CHANGES, .csv = true, .doing = "changing",
     .help = "show or change the config of a domain, and what it was before",
     .text = "edit opens the config in $VISUAL or $EDITOR and checks it before it is stored; set "
             "puts key=value (key= removes it) in its place, where comments and order stay. What "
             "can act on a running guest does; the rest waits for its next boot by start, reboot "
             "or reset. history lists the versions that are kept; diff [FROM [TO]] compares two "
             "of them by their numbers, running (what the guest was booted with) or stored; "
             "running and stored when none is given.", .run = run_config},
    {.name = "image", .elsewhere = "save-image-dumpxml",
     .operands = "info|verify FILE | export DOMAIN|FILE OUT | import FILE OUT", .min = 2, .max = 3,
     .options = image_options, .kind = KIND_READS, .help = "look at, verify and copy save images",
     .text = "verify reads every byte and compares the checksums. export writes a whole image, of "
             "a suspended domain (which stays so) or of a FILE; import does so from a FILE that "
             "came from elsewhere. Both verify on the way. A word with a slash or the end .reeve "
             "is a FILE, any other a DOMAIN; - is stdin, or stdout, by way of a file in $TMPDIR "
             "(/var/tmp). Files are opened with your own rights.", .run = run_image},
    {.name = "autostart", .operands = "DOMAIN on|off", .min = 2, .max = 2, .kind = KIND_CHANGES,
     .doing = "changing", .help = "store whether a domain starts with the host",
     .text = "It is stored in the config (reeve_autostart); host-start, which the system's service "
             "calls, starts domains by it.", .run = run_autostart},
    {.name = "list", .aliases = "ls", .elsewhere = "vm-list ps domains",
     .operands = "[DOMAIN ...]", .min = 0, .max = -1, .options = list_options, .kind = KIND_READS,
     .csv = true, .help = "the domains with their states", .run = run_list},
    {.name = "top", .elsewhere = "virt-top xentop", .operands = "[DOMAIN ...]", .min = 0, .max = -1,
     .options = top_options, .kind = KIND_READS, .csv = true,
     .help = "what domains use of CPU, memory, disk and net, live",
     .text = "The screen sorts by the keys c, m, d, n and a (name), r turns it round, arrows select a "
             "domain and capital letters act on it; what takes a guest away asks first. --batch "
             "prints instead, a round each delay, with rates since the round before: for json one "
             "object a line.", .run = run_top},
    {.name = "show", .elsewhere = "dominfo domstate status vm-param-list", .operands = "DOMAIN",
     .min = 1, .max = 1, .kind = KIND_READS, .help = "all about one domain, with its config",
     .run = run_show},
    {.name = "explain", .elsewhere = "why", .operands = "[DOMAIN] [VERB]", .min = 0, .max = 2,
     .kind = KIND_READS, .help = "what verbs do: all, one, on a domain, or one on a domain",
     .text = "A word that is both a domain and a verb is taken as the verb; name the domain by "
             "id:N or uuid then.", .run = run_explain},
    {.name = "log", .elsewhere = "events history", .operands = "[DOMAIN]", .min = 0, .max = 1,
     .options = log_options, .kind = KIND_READS, .csv = true,
     .help = "what happened, who asked for it, and why",
     .text = "TIME is RFC 3339, like 2026-01-31T12:00:00Z; SEQ is the number before a line.",
     .run = run_log},
    {.name = "wait", .operands = "DOMAIN --for STATE | job:N", .min = 1, .max = 1,
     .options = wait_options, .kind = KIND_READS,
     .help = "wait until a domain is in a state, or a job has ended", .run = run_wait},
    {.name = "console", .elsewhere = "attach connect", .operands = "DOMAIN", .min = 1, .max = 1,
     .kind = KIND_READS, .help = "the serial console; Ctrl-] leaves it",
     .text = "Without a terminal stdin is sent to the guest, and what it prints is shown until "
             "the domain ends or Ctrl-C.", .run = run_console},
    {.name = "jobs", .elsewhere = "tasks task-list", .operands = "", .min = 0, .max = 0,
     .kind = KIND_READS, .csv = true, .help = "what is being done, and what was done last",
     .run = run_jobs},
    {.name = "cancel", .elsewhere = "domjobabort abort task-cancel", .operands = "job:N ...",
     .min = 1, .max = -1, .kind = KIND_READS, .help = "stop a job; its domain is left as it was",
     .run = run_cancel},
    {.name = "info", .elsewhere = "nodeinfo host", .operands = "", .min = 0, .max = 0,
     .kind = KIND_READS, .help = "the host, the driver and the daemon", .run = run_info},
    {.name = "doctor", .elsewhere = "check fsck verify", .operands = "", .min = 0, .max = 0,
     .options = doctor_options, .kind = KIND_READS,
     .help = "look for damage, leftovers and drift; exit 1 when there is any", .run = run_doctor},
    {.name = "help", .operands = "[VERB]", .min = 0, .max = 1, .options = help_options,
     .kind = KIND_READS, .help = "the verbs, or all about one", .run = run_help},
    {.name = "mem-set", .elsewhere = "setmem", .operands = "DOMAIN SIZE", .min = 2, .max = 2,
     .options = guest_options, .kind = KIND_CHANGES, .doing = "changing the memory of",
     .help = "give a domain more or less memory, at most its mem-max",
     .text = "SIZE is in MiB, or has a suffix: 512, 512m, 2g. A guest that lives changes and the "
             "stored config with it; the answer says what the guest has then. One that does not "
             "follow in time gets back what it had (exit 5), and nothing is stored.",
     .run = run_memory},
    {.name = "mem-max", .elsewhere = "setmaxmem", .operands = "DOMAIN SIZE", .min = 2, .max = 2,
     .options = next_boot_options, .kind = KIND_CHANGES, .doing = "changing",
     .help = "store the most memory that mem-set may give; acts at the next boot",
     .run = run_memory},
    {.name = "vcpu-set", .elsewhere = "setvcpus", .operands = "DOMAIN N", .min = 2, .max = 2,
     .options = guest_options, .kind = KIND_CHANGES, .doing = "changing the vcpus of",
     .help = "give a domain more or fewer virtual CPUs, at most its maxvcpus",
     .text = "A guest that lives changes and the stored config with it. A guest may have to switch "
             "new ones on, and may refuse to give one up: then all is as before.",
     .run = run_vcpu_set},
    {.name = "vcpu-pin", .elsewhere = "vcpupin", .operands = "DOMAIN VCPU|all CPUS", .min = 3,
     .max = 3, .kind = KIND_CHANGES, .doing = "pinning",
     .help = "say which CPUs of the host a virtual CPU may run on",
     .text = "CPUS is all, or numbers and ranges as in 0-3,^1. It holds until the domain ends and "
             "is not stored.",
     .run = run_vcpu_pin},
    {.name = "vcpu-list", .elsewhere = "vcpuinfo vcpucount", .operands = "[DOMAIN ...]", .min = 0,
     .max = -1, .kind = KIND_READS, .csv = true,
     .help = "the virtual CPUs: which there are, where they run, what they have used",
     .text = "Without a DOMAIN those of every domain that lives.", .run = run_vcpu_list},
    {.name = "host-stop", .operands = "", .min = 0, .max = 0, .options = hostrun_options,
     .kind = KIND_READS,
     .help = "the host stops: suspend or shut down every domain, as its config says",
     .text = "By reeve_on_host_stop, the highest reeve_host_order first, several at once. What "
             "cannot be suspended is shut down. One failure stops no other; exit 1 when there is "
             "any. The system's service for the domains calls it.", .run = run_hostrun},
    {.name = "host-start", .operands = "", .min = 0, .max = 0, .options = hostrun_options,
     .kind = KIND_READS,
     .help = "the host has started: resume what host-stop suspended, start what has autostart",
     .text = "What was paused comes back paused. A domain whose resume failed stays suspended. "
             "What it has started once in this boot of the host it does not start again.",
     .run = run_hostrun},
    {.name = "block-attach", .elsewhere = "attach-disk vbd-create vbd-plug",
     .operands = "DOMAIN SPEC ...", .min = 2, .max = -1, .options = guest_options,
     .kind = KIND_CHANGES, .doing = "attaching to", .help = "give a domain a disk",
     .text = "SPEC is that of disk in a config, in one word or several: /srv/b.img,raw,xvdb,rw or "
             "vdev=xvdb format=qcow2 target=/srv/b.qcow2. A relative target is relative to the "
             "current folder. The guest gets it at once, and the stored config has it.",
     .run = run_block_attach},
    {.name = "block-detach", .elsewhere = "detach-disk vbd-unplug", .operands = "DOMAIN VDEV",
     .min = 2, .max = 2, .options = guest_options, .kind = KIND_CHANGES,
     .doing = "detaching from", .help = "take a disk from a domain; its file stays",
     .text = "The guest has to let go of it. One that does not in time keeps it, and so does the "
             "stored config (exit 5).",
     .run = run_detach},
    {.name = "block-list", .elsewhere = "domblklist vbd-list", .operands = "[DOMAIN ...]",
     .min = 0, .max = -1, .kind = KIND_READS, .csv = true, .help = "the disks of domains",
     .text = "NOW: the guest has it; NEXT-BOOT: it is in the stored config. Without a DOMAIN those "
             "of every domain that lives.",
     .run = run_block_list},
    {.name = "network-attach", .elsewhere = "attach-interface vif-create vif-plug",
     .operands = "DOMAIN [SPEC ...]", .min = 1, .max = -1, .options = guest_options,
     .kind = KIND_CHANGES, .doing = "attaching to", .help = "give a domain a network interface",
     .text = "SPEC is that of vif in a config, in one word or several: bridge=br0 "
             "mac=00:16:3e:00:00:01. A MAC that is not given is drawn, and stored.",
     .run = run_network_attach},
    {.name = "network-detach", .elsewhere = "detach-interface vif-unplug",
     .operands = "DOMAIN MAC|INDEX", .min = 2, .max = 2, .options = guest_options,
     .kind = KIND_CHANGES, .doing = "detaching from",
     .help = "take a network interface from a domain",
     .text = "The guest has to let go of it. One that does not in time keeps it, and so does the "
             "stored config (exit 5).",
     .run = run_detach},
    {.name = "network-list", .elsewhere = "domiflist vif-list", .operands = "[DOMAIN ...]",
     .min = 0, .max = -1, .kind = KIND_READS, .csv = true,
     .help = "the network interfaces of domains",
     .text = "NOW: the guest has it; NEXT-BOOT: it is in the stored config. Without a DOMAIN those "
             "of every domain that lives.",
     .run = run_network_list},
    {.name = "cd-insert", .elsewhere = "change-media vm-cd-insert",
     .operands = "DOMAIN VDEV FILE", .min = 3, .max = 3, .options = next_boot_options,
     .kind = KIND_CHANGES, .doing = "changing the disc of",
     .help = "put a disc into a cdrom drive, in place of what is in it", .run = run_cd_insert},
    {.name = "cd-eject", .elsewhere = "vm-cd-eject", .operands = "DOMAIN VDEV", .min = 2, .max = 2,
     .options = next_boot_options, .kind = KIND_CHANGES, .doing = "changing the disc of",
     .help = "take the disc out of a cdrom drive, also when the guest has locked it",
     .run = run_cd_eject},
    {.name = "dump-core", .elsewhere = "dump", .operands = "DOMAIN [FILE]", .min = 1, .max = 2,
     .kind = KIND_CHANGES, .doing = "dumping the core of",
     .help = "write the memory of a domain for a debugger; it goes on",
     .text = "Without FILE the daemon keeps it (state folder, cores/, the newest few). FILE is "
             "made with your own rights and must not be there yet.",
     .run = run_dump_core},
    {.name = "sysrq", .elsewhere = "send-key", .operands = "DOMAIN KEY", .min = 2, .max = 2,
     .kind = KIND_CHANGES, .doing = "pressing SysRq on",
     .help = "press a magic SysRq key of a Linux guest",
     .text = "KEY is a letter or a digit; what the guest does with it is its own matter.",
     .run = run_sysrq},
    {.name = "trigger", .elsewhere = "inject-nmi",
     .operands = "DOMAIN nmi|reset|init|power|sleep|s3resume [VCPU]", .min = 2, .max = 3,
     .kind = KIND_CHANGES, .doing = "sending to",
     .help = "send a guest an event of its hardware",
     .text = "Which there are depends on the driver. It only sends: shutdown and reboot wait for "
             "the end.",
     .run = run_trigger},
    {.name = "vncviewer", .elsewhere = "vncdisplay screen", .operands = "DOMAIN", .min = 1,
     .max = 1, .kind = KIND_READS, .help = "open the screen of a domain in a viewer",
     .text = "It is a Unix socket (show names it). Without a viewer that takes one, it says what "
             "to type.",
     .run = run_vncviewer},
    HOST("dmesg", "the hypervisor's messages"),
    HOST("sched-", "the hypervisor's schedulers"),
    HOST("cpupool-", "pools of CPUs"),
    HOST("pci-assignable-", "PCI devices that guests may be given"),
};
/* clang-format on */

const struct verb_row *verbs_row(size_t i)
{
    return i < ARRAY_LEN(rows) ? &rows[i] : NULL;
}

/* True when `word` is among the words of `list`. */
static bool listed(const char *list, const char *word)
{
    size_t len = strlen(word);

    for (const char *at = list; at && len; at = strchr(at, ' ')) {
        at += *at == ' ';
        if (strncmp(at, word, len) == 0 && (at[len] == ' ' || at[len] == '\0'))
            return true;
    }
    return false;
}

static bool matches(const struct verb_row *row, const char *word)
{
    if (row->kind == KIND_HOST && str_ends(row->name, "-"))
        return str_starts(word, row->name);
    return str_eq(row->name, word) || listed(row->aliases, word);
}

static const char *verb_at(size_t i)
{
    return i < ARRAY_LEN(rows) ? rows[i].name : NULL;
}

const struct verb_row *verbs_find(const char *word, struct err *e)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (matches(&rows[i], word))
            return &rows[i];

    AUTO_STR struct str shown = {0};
    str_add(&shown, "");
    str_add_escaped(&shown, word, strlen(word));
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (listed(rows[i].elsewhere, word)) {
            err_set(e, ERR_NO_SUCH_VERB, "there is no verb \"%s\"; reeve's word for it is %s (%s)",
                    shown.data, rows[i].name, rows[i].help);
            return NULL;
        }
    }
    const char *near = str_nearest(word, verb_at);
    if (near)
        err_set(e, ERR_NO_SUCH_VERB, "there is no verb \"%s\"; did you mean %s?", shown.data, near);
    else
        err_set(e, ERR_NO_SUCH_VERB, "there is no verb \"%s\"; reeve help lists them", shown.data);
    return NULL;
}

int command_connect(struct command *cmd, struct err *e)
{
    if (cmd->client.path)
        return 0;
    return client_open(&cmd->client, cmd->options.value[OPT_SOCKET], e);
}
