/* SPDX-License-Identifier: MIT */
/* Times whole commands, interleaved. usage: rounds COUNT <STEPS >RESULTS
 * A step is a line: NAME, a tab, and a command of words without quoting. The steps run in their
 * order, and the whole list COUNT times, so that what disturbs the machine disturbs all of them.
 * The step's time is from before its process is made until it has been reaped. Prints for each
 * name: name, median, least, most (microseconds), separated by tabs. Steps of the name "-" are run
 * and not timed. Ends with 1 at the first command that fails. What commands print on stdout is
 * dropped. */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

enum { STEPS_MAX = 64, WORDS_MAX = 32, LINE_SIZE = 4096, ROUNDS_MAX = 10000 };

struct step {
    char line[LINE_SIZE]; /* cut into the words */
    char *name;
    char *argv[WORDS_MAX + 1];
    int64_t *took_ns; /* one for each round */
};

extern char **environ;

static int64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Returns 0, or -1 for a line that is no step. */
static int read_step(struct step *s)
{
    char *tab = strchr(s->line, '\t'), *rest = NULL;
    int count = 0;

    if (!tab)
        return -1;
    *tab = '\0';
    s->name = s->line;
    for (char *word = strtok_r(tab + 1, " \n", &rest); word; word = strtok_r(NULL, " \n", &rest)) {
        if (count == WORDS_MAX)
            return -1;
        s->argv[count++] = word;
    }
    s->argv[count] = NULL;
    return count > 0 ? 0 : -1;
}

/* Returns the time that it took, or -1 where it failed; why is on stderr then. */
static int64_t run(const struct step *s, posix_spawn_file_actions_t *files)
{
    int64_t before = now_ns();
    int status;
    pid_t pid;
    int failed = posix_spawnp(&pid, s->argv[0], files, NULL, s->argv, environ);

    if (failed) {
        fprintf(stderr, "rounds: %s: %s\n", s->argv[0], strerror(failed));
        return -1;
    }
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -1;
    int64_t took = now_ns() - before;
    if (status != 0) {
        fprintf(stderr, "rounds: failed (wait status %d):", status);
        for (int i = 0; s->argv[i]; i++)
            fprintf(stderr, " %s", s->argv[i]);
        fputc('\n', stderr);
        return -1;
    }
    return took;
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static void print(const struct step *s, int rounds)
{
    qsort(s->took_ns, (size_t)rounds, sizeof *s->took_ns, compare);
    printf("%s\t%jd\t%jd\t%jd\n", s->name, (intmax_t)(s->took_ns[rounds / 2] / 1000),
           (intmax_t)(s->took_ns[0] / 1000), (intmax_t)(s->took_ns[rounds - 1] / 1000));
}

int main(int argc, char **argv)
{
    static struct step steps[STEPS_MAX];
    posix_spawn_file_actions_t files;
    int rounds = argc == 2 ? atoi(argv[1]) : 0;
    int count = 0;

    if (rounds < 1 || rounds > ROUNDS_MAX) {
        fprintf(stderr, "usage: rounds COUNT <STEPS (COUNT: 1 to %d)\n", ROUNDS_MAX);
        return 2;
    }
    while (count < STEPS_MAX && fgets(steps[count].line, LINE_SIZE, stdin)) {
        if (read_step(&steps[count]) < 0) {
            fprintf(stderr, "rounds: line %d is no step\n", count + 1);
            return 2;
        }
        steps[count].took_ns = calloc((size_t)rounds, sizeof *steps[count].took_ns);
        if (!steps[count++].took_ns)
            return 1;
    }
    if (!feof(stdin) && fgetc(stdin) != EOF) {
        fprintf(stderr, "rounds: more than %d steps\n", STEPS_MAX);
        return 2;
    }
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    for (int round = 0; round < rounds; round++)
        for (int i = 0; i < count; i++)
            if ((steps[i].took_ns[round] = run(&steps[i], &files)) < 0)
                return 1;
    for (int i = 0; i < count; i++)
        if (strcmp(steps[i].name, "-") != 0)
            print(&steps[i], rounds);
    return 0;
}
