// What the worker tells systemd, and when it keeps silent. A stand-in writes down what `systemd-notify` would send; the
// real one, with a real systemd behind it, is in systemd.test.ts.
import assert from 'node:assert/strict';
import { chmod, readFile, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { openLogs } from '../../../src/supervisor/logs/logs.ts';
import { openNotifier } from '../../../src/supervisor/service/notifier.ts';
import { openVitals } from '../../../src/supervisor/service/vitals.ts';
import { tempDir } from '../temp-dir.ts';

const posix = { skip: process.platform === 'win32' && 'systemd is for Linux' };

async function scene() {
  const dir = await tempDir();
  const said = dir.file('said');
  await writeFile(said, '');
  await writeFile(dir.file('systemd-notify'), `#!/bin/sh\necho "$*" >> "${said}"\n`);
  await chmod(dir.file('systemd-notify'), 0o755);
  const logs = await openLogs({ dir: dir.file('logs'), level: 'error', maxSize: '1m', keep: 1, stderr: 'json' });
  let nowMs = 0;
  const vitals = openVitals(() => nowMs);
  const env = { PATH: `${dir.path}:/usr/bin:/bin`, NOTIFY_SOCKET: '/nowhere', WATCHDOG_USEC: '40000' };
  return {
    dir,
    logs,
    vitals,
    env,
    pass: (ms: number) => {
      nowMs += ms;
    },
    lines: async () => (await readFile(said, 'utf8')).split('\n').filter((line) => line !== ''),
    /** Waits until a line from `from` on matches. */
    async until(pattern: RegExp, from = 0): Promise<void> {
      const deadline = performance.now() + 60_000;
      while (!(await this.lines()).slice(from).some((line) => pattern.test(line))) {
        assert.ok(performance.now() < deadline, `never said: ${pattern}\n${(await this.lines()).join('\n')}`);
        await sleep(10);
      }
    },
    async [Symbol.asyncDispose]() {
      await logs[Symbol.asyncDispose]();
      await dir[Symbol.asyncDispose]();
    },
  };
}

test('it says that it is up, what it does, and that it lives', posix, async () => {
  await using here = await scene();
  here.vitals.expect(1000, 'connecting\n to a studio');
  await using notifier = openNotifier({ ...here, pid: process.pid, everyMs: 5 });
  notifier.ready();
  await here.until(/^READY=1 WATCHDOG_USEC=40000 STATUS=connecting to a studio/);
  await here.until(/WATCHDOG=1/);
  here.vitals.expect(1000, 'connected');
  await here.until(/STATUS=connected/);
  here.vitals.expectEnd(1000, 'stopping');
  notifier.stopping(1500);
  await here.until(/STOPPING=1 EXTEND_TIMEOUT_USEC=1500000 STATUS=stopping/);
  notifier.relaunching(600_000);
  await here.until(/WATCHDOG_USEC=600000000/);
  const all = (await here.lines()).join('\n');
  assert.equal(all.match(/STATUS=connected/g)?.length, 1, 'a state is said once');
});

test('a worker whose sign of life is overdue is silent, until there is one again', posix, async () => {
  await using here = await scene();
  here.vitals.expect(1000, 'connected');
  await using _notifier = openNotifier({ ...here, pid: process.pid, everyMs: 5 });
  await here.until(/WATCHDOG=1/);
  here.pass(1001);
  // Everything that was said before this word is older than the silence.
  here.vitals.expect(-1, 'overdue');
  await here.until(/STATUS=overdue/);
  const from = (await here.lines()).length;
  here.vitals.expect(-1, 'still overdue');
  await here.until(/STATUS=still overdue/, from);
  assert.doesNotMatch((await here.lines()).slice(from).join('\n'), /WATCHDOG/);
  here.vitals.expect(1000);
  await here.until(/WATCHDOG=1/, from);
});

test('a watchdog of another process, or none, is not fed', posix, async () => {
  for (const other of [{ WATCHDOG_PID: '1' }, { WATCHDOG_USEC: undefined }, { WATCHDOG_USEC: 'soon' }]) {
    await using here = await scene();
    await using _notifier = openNotifier({ ...here, env: { ...here.env, ...other }, pid: 4711, everyMs: 5 });
    await here.until(/STATUS=starting/);
    here.vitals.expect(1000, 'one');
    await here.until(/STATUS=one/);
    assert.doesNotMatch((await here.lines()).join('\n'), /WATCHDOG/);
  }
});

test('without systemd-notify there is one warning, and nothing is lost for later', posix, async () => {
  await using here = await scene();
  const program = await readFile(here.dir.file('systemd-notify'));
  await writeFile(here.dir.file('systemd-notify'), '#!/bin/sh\necho nobody listens >&2; exit 1\n');
  await using notifier = openNotifier({ ...here, pid: process.pid, everyMs: 5 });
  const warned = Promise.withResolvers<void>();
  using _observing = here.logs.observe({ entry: () => warned.resolve(), flush: async () => {} });
  notifier.ready();
  await warned.promise;
  await writeFile(here.dir.file('systemd-notify'), program);
  await here.until(/READY=1/);
  const warnings = here.logs.ring.after(0);
  assert.equal(warnings.length, 1);
  assert.match(warnings[0]?.message ?? '', /systemd cannot be told .* problem="nobody listens"/);
});

test('what is expected at the end is not put off by later signs of life', () => {
  let nowMs = 0;
  const vitals = openVitals(() => nowMs);
  assert.ok(vitals.isAlive());
  vitals.expectEnd(100, 'stopping');
  vitals.expect(1_000_000, 'connected');
  assert.equal(vitals.status, 'stopping');
  nowMs = 101;
  assert.ok(!vitals.isAlive());
});
