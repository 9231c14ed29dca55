// A real systemd for services of a user, in namespaces of its own: its processes, its /run and its files are seen by
// nobody else, and all of it is gone when the test is over. Needs root, systemd and a control group to write to.
import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, rmdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { BIN } from '../cli/run-cli.ts';

const SYSTEMD = '/lib/systemd/systemd';

export type Ran = { code: number; stdout: string; stderr: string };

export interface UserManager extends AsyncDisposable {
  readonly home: string;
  run(program: string, args: readonly string[], env?: Record<string, string>): Promise<Ran>;
  cli(...args: string[]): Promise<Ran>;
  /** One property of the worker's unit. */
  property(name: string): Promise<string>;
  /** Asks again until the property has this value. */
  untilProperty(name: string, value: string | RegExp): Promise<string>;
}

/** Why there can be no such manager on this machine, as the reason for a skipped test. */
export const noUserManager: string | false =
  process.platform !== 'linux'
    ? 'systemd is for Linux'
    : process.getuid?.() !== 0
      ? 'a systemd of its own needs root (namespaces)'
      : !existsSync(SYSTEMD)
        ? 'needs systemd: apt-get install systemd'
        : controlGroups().length === 0
          ? 'needs a control group that can be written to'
          : !canHaveNamespaces()
            ? 'needs the right to make namespaces (CAP_SYS_ADMIN)'
            : false;

function canHaveNamespaces(): boolean {
  return spawnSync('unshare', ['--mount', '--pid', '--fork', '--mount-proc', 'true'], { stdio: 'ignore' }).status === 0;
}

/** Where systemd keeps its groups: the hierarchy of its name, and the unified one. */
function controlGroups(): string[] {
  const roots = existsSync('/sys/fs/cgroup/systemd')
    ? ['/sys/fs/cgroup/systemd', '/sys/fs/cgroup/unified']
    : ['/sys/fs/cgroup'];
  try {
    const mounts = readFileSync('/proc/mounts', 'utf8').split('\n');
    return roots.filter((root) =>
      mounts.some((line) => {
        const [, where, , options = ''] = line.split(' ');
        return where === root && options.split(',').includes('rw');
      }),
    );
  } catch {
    return [];
  }
}

/** Everything that systemd and its services see of the machine's own state is put out of sight first. */
const INSIDE = `
set -e
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /etc/systemd
mkdir -p /run/systemd/system "$XDG_RUNTIME_DIR"
chmod 700 "$XDG_RUNTIME_DIR"
# Not "exec": as the first process of its namespace it would take itself for the systemd of the machine.
${SYSTEMD} --user --log-target=console --log-level=info
`;

export async function openUserManager(): Promise<UserManager> {
  const home = await mkdtemp(path.join(tmpdir(), 'studio-worker-systemd-'));
  const groups = controlGroups().map((root) => path.join(root, path.basename(home)));
  const env = {
    PATH: process.env.PATH ?? '',
    HOME: home,
    XDG_RUNTIME_DIR: '/run/user/0',
  };
  for (const group of groups) await mkdir(group, { recursive: true });
  // The shell moves itself into the new groups, so that systemd takes them for all there is.
  const enter = groups.map((group) => `echo $$ > ${group}/cgroup.procs`).join('\n');
  const child: ChildProcess = spawn(
    'sh',
    [
      '-c',
      `${enter}\nexec unshare --mount --propagation private --pid --fork --kill-child --mount-proc sh -c "$0"`,
      INSIDE,
    ],
    { env, stdio: 'ignore' },
  );
  const ended = once(child, 'exit');
  let over = false;
  void ended.then(() => {
    over = true;
  });

  const run: UserManager['run'] = (program, args, more = {}) =>
    new Promise((resolve) => {
      execFile(
        'nsenter',
        ['--target', insidePid(child), '--mount', '--pid', '--', program, ...args],
        { env: { ...env, ...more }, maxBuffer: 16 * 1024 * 1024 },
        (error, stdout, stderr) => resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
      );
    });
  const deadline = performance.now() + 120_000;
  while ((await run('systemctl', ['--user', 'is-system-running'])).stdout.trim() !== 'running') {
    if (over || performance.now() > deadline) throw new Error('systemd does not run here');
    await sleep(50);
  }
  const property: UserManager['property'] = async (name) => {
    const { stdout } = await run('systemctl', [
      '--user',
      'show',
      '--value',
      `--property=${name}`,
      'minis-studio-worker.service',
    ]);
    return stdout.trim();
  };
  return {
    home,
    run,
    cli: (...args) => run(process.execPath, [BIN, ...args]),
    property,
    async untilProperty(name, value) {
      const deadline = AbortSignal.timeout(90_000);
      while (true) {
        const now = await property(name);
        if (typeof value === 'string' ? now === value : value.test(now)) return now;
        if (deadline.aborted) throw new Error(`${name} is ${JSON.stringify(now)} and never was ${value}`);
        // systemd has no event for every property.
        await sleep(50);
      }
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await ended;
      await rm(home, { recursive: true, force: true, maxRetries: 5 });
      for (const group of groups) await removeGroup(group);
    },
  };
}

/** The one child of unshare is the first process inside. */
function insidePid({ pid }: ChildProcess): string {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim() || '0';
}

/** From the innermost outwards; a group whose last process is just being buried is tried again. */
async function removeGroup(group: string): Promise<void> {
  for (const entry of readdirSync(group, { withFileTypes: true })) {
    if (entry.isDirectory()) await removeGroup(path.join(group, entry.name));
  }
  const deadline = performance.now() + 10_000;
  while (true) {
    try {
      return await rmdir(group);
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await sleep(20);
    }
  }
}
