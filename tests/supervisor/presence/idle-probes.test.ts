// Each way to ask for the time since the last input. X11 is asked for real; what belongs to another desktop or platform
// is read from the answers that its tools give.
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { openIdleProbe } from '../../../src/supervisor/presence/idle-probe.ts';
import { hidIdleMs } from '../../../src/supervisor/presence/mac-idle.ts';
import { idleMsOf } from '../../../src/supervisor/presence/session-bus-idle.ts';
import { lastInputMs } from '../../../src/supervisor/presence/windows-idle.ts';
import { tempDir } from '../temp-dir.ts';

const has = (program: string): boolean => {
  try {
    execFileSync('which', [program], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
};

const missing = ['Xvfb', 'xdotool'].filter((program) => !has(program));
const withX = { skip: missing.length > 0 && `needs ${missing.join(' and ')}: apt-get install xvfb xdotool` };
const onLinux = { skip: process.platform !== 'linux' && 'asks as Linux does' };

/** A display that nobody has, so that the tests see neither this machine's nor each other's. */
async function openDisplay(): Promise<{ display: string; server: ChildProcess } & AsyncDisposable> {
  const server = spawn('Xvfb', ['-displayfd', '3', '-screen', '0', '64x64x24', '-nolisten', 'tcp'], {
    stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
  });
  const ended = once(server, 'exit');
  const [number] = (await Promise.race([
    once(server.stdio[3] as NodeJS.ReadableStream, 'data'),
    ended.then(() => {
      throw new Error('Xvfb did not start');
    }),
  ])) as [Buffer];
  return {
    display: `:${number.toString().trim()}`,
    server,
    async [Symbol.asyncDispose]() {
      server.kill('SIGKILL');
      await ended;
    },
  };
}

const touch = (display: string): void => {
  execFileSync('xdotool', ['mousemove_relative', '--', '1', '1'], { env: { ...process.env, DISPLAY: display } });
};

test('an X server tells the time since the pointer moved', withX, async () => {
  await using screen = await openDisplay();
  await using probe = openIdleProbe({ ...process.env, DISPLAY: screen.display, XDG_SESSION_TYPE: 'x11' });
  touch(screen.display);
  const first = await probe.idleMs();
  let later = await probe.idleMs();
  while (later < first + 200) later = await probe.idleMs();
  touch(screen.display);
  const touched = await probe.idleMs();
  assert.ok(touched < later, `${touched} after ${later}`);
});

test('an X server that ends is a failure, and its successor is asked', withX, async () => {
  await using dir = await tempDir();
  const screen = await openDisplay();
  const env = { ...process.env, DISPLAY: screen.display, PATH: dir.path };
  await using probe = openIdleProbe(env);
  await probe.idleMs();
  await screen[Symbol.asyncDispose]();
  await assert.rejects(
    probe.idleMs(),
    /^Error: the X server :\d+ cannot be asked: .*; the session bus does not tell: there is no program gdbus here$/,
  );
  const server = spawn('Xvfb', [screen.display, '-displayfd', '3', '-nolisten', 'tcp'], {
    stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
  });
  await once(server.stdio[3] as NodeJS.ReadableStream, 'data');
  try {
    assert.ok((await probe.idleMs()) >= 0);
  } finally {
    server.kill('SIGKILL');
    await once(server, 'exit');
  }
});

test('an X server that is stopped is given up after a while', withX, async () => {
  await using dir = await tempDir();
  await using screen = await openDisplay();
  await using probe = openIdleProbe({ ...process.env, DISPLAY: screen.display, PATH: dir.path });
  await probe.idleMs();
  screen.server.kill('SIGSTOP');
  await assert.rejects(probe.idleMs(), /no answer within 3000 ms/);
});

test('keys of the X server that cannot be read are a failure and no crash', onLinux, async () => {
  await using dir = await tempDir();
  const before = process.env.XAUTHORITY;
  process.env.XAUTHORITY = dir.path;
  try {
    await using probe = openIdleProbe({ DISPLAY: ':4321', PATH: dir.path });
    await assert.rejects(probe.idleMs(), /its keys in .* cannot be read \(EISDIR\)/);
  } finally {
    if (before === undefined) delete process.env.XAUTHORITY;
    else process.env.XAUTHORITY = before;
  }
});

test('a display that is no display is a failure', onLinux, async () => {
  await using dir = await tempDir();
  for (const display of ['nonsense', ':98765', ':999999999999', ':59000', 'nowhere.invalid:0']) {
    await using probe = openIdleProbe({ DISPLAY: display, PATH: dir.path });
    await assert.rejects(probe.idleMs(), /^Error: the X server .* cannot be asked: /);
  }
});

/** Programs that answer like those of a desktop, each by a script. */
async function desktop(programs: Record<string, string>) {
  const dir = await tempDir();
  await mkdir(dir.file('bin'));
  for (const [name, script] of Object.entries(programs)) {
    await writeFile(dir.file(`bin/${name}`), `#!/bin/sh\n${script}\n`);
    await chmod(dir.file(`bin/${name}`), 0o755);
  }
  return Object.assign(dir, { env: { PATH: dir.file('bin'), XDG_SESSION_TYPE: 'wayland', DISPLAY: ':0' } });
}

test('under Wayland GNOME is asked over the session bus, and others after it', onLinux, async () => {
  await using gnome = await desktop({
    busctl: 'case "$*" in *org.gnome.Mutter.IdleMonitor*GetIdletime) echo "t 130000";; *) exit 1;; esac',
  });
  await using first = openIdleProbe(gnome.env);
  assert.equal(await first.idleMs(), 130_000);
  await using kde = await desktop({
    busctl: 'case "$*" in *ScreenSaver*GetSessionIdleTime) echo "u 4000";; *) echo "no such name" >&2; exit 1;; esac',
  });
  await using second = openIdleProbe(kde.env);
  assert.equal(await second.idleMs(), 4_000);
  await using glib = await desktop({ gdbus: 'echo "(uint64 77,)"' });
  await using third = openIdleProbe(glib.env);
  assert.equal(await third.idleMs(), 77);
});

test('a bus that knows nothing, and one that never answers, are failures', onLinux, async () => {
  await using bare = await desktop({ busctl: 'echo "The name is not activatable" >&2; exit 1' });
  await using first = openIdleProbe(bare.env);
  await assert.rejects(first.idleMs(), { message: 'the session bus does not tell: The name is not activatable' });
  await using odd = await desktop({ busctl: 'echo "s \\"soon\\""' });
  await using second = openIdleProbe(odd.env);
  await assert.rejects(second.idleMs(), /answers "s/);
  await using hung = await desktop({ busctl: 'exec /bin/sleep 60' });
  await using third = openIdleProbe(hung.env);
  await assert.rejects(third.idleMs(), /busctl did not end within 3000 ms/);
});

test('answers of the tools are read exactly', () => {
  const answers: [string, number | undefined][] = [
    ['t 0\n', 0],
    ['u 4294967295\n', 4294967295],
    ['(uint64 123456,)\n', 123456],
    ['(uint32 5,)', 5],
    ['i -1\n', undefined],
    ['t 12 34', undefined],
    ['', undefined],
    [`t ${'9'.repeat(40)}`, undefined],
  ];
  for (const [text, expected] of answers) assert.equal(idleMsOf(text), expected, text);
  assert.equal(hidIdleMs('  | |   "HIDIdleTime" = 120000999999\n  "HIDServiceSupport" = Yes'), 120_000);
  assert.equal(hidIdleMs('"HIDIdleTime" = <00>'), undefined);
  assert.equal(lastInputMs('4711\r'), 4711);
  assert.throws(() => lastInputMs('no session of a person'), /Windows does not tell: no session/);
});

test('a platform that is not known is a failure', async () => {
  await using probe = openIdleProbe({}, 'aix');
  await assert.rejects(probe.idleMs(), /aix/);
});
