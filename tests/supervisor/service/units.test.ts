// What is written for each service manager, to the letter, and with the paths that nobody thinks of.
import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { chmod, mkdir, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { type ServiceFacts, stopSecs } from '../../../src/supervisor/service/facts.ts';
import { launchdPlist } from '../../../src/supervisor/service/launchd-plist.ts';
import { commandText, servicePlan } from '../../../src/supervisor/service/plan.ts';
import { type SystemdFacts, systemdUnit } from '../../../src/supervisor/service/systemd-unit.ts';
import { taskXml, windowsWord } from '../../../src/supervisor/service/task-xml.ts';
import { tempDir } from '../temp-dir.ts';

const FACTS: SystemdFacts = {
  scope: 'user',
  notify: true,
  command: ['/opt/node/bin/node', '/opt/studio-worker/bin/studio-worker.js'],
  configPath: '/home/ann/.config/minis-studio-worker/config.toml',
  modelsRoot: '/srv/models',
  searchPath: '/usr/local/bin:/usr/bin:/bin',
  user: 'ann',
  graceSecs: 30,
};

/** Everything that has a meaning of its own somewhere: to systemd, to a shell, to XML, to patterns of file names. */
const ODD = 'a b "c" \'d\' 100% $HOME \\ <e> & ü [f]*?';

test('the unit of a user, to the letter', () => {
  assert.equal(
    systemdUnit(FACTS),
    `# Written by \`studio-worker install-service\`, which writes it anew when it is called again.
# Changes of your own belong into a drop-in: systemctl --user edit minis-studio-worker
[Unit]
Description=studio-worker: GPU jobs for a studio
Documentation=https://github.com/webbertakken/studio-worker
Wants=network-online.target
After=network-online.target

[Service]
Type=notify
# The worker speaks through \`systemd-notify\`, a child of it.
NotifyAccess=all
WatchdogSec=90
# A worker that hangs listens to no other.
WatchdogSignal=SIGKILL
ExecStart="/opt/node/bin/node" "/opt/studio-worker/bin/studio-worker.js" "run" "--config" "/home/ann/.config/minis-studio-worker/config.toml"
Environment="PATH=/usr/local/bin:/usr/bin:/bin"
# HF_TOKEN, SENTRY_DSN and the like, one NAME=value a line; the file may be missing.
EnvironmentFile=-/home/ann/.config/minis-studio-worker/worker.env

Restart=on-failure
RestartSec=5
# The studio refused the credentials: it would refuse them again.
RestartPreventExitStatus=77

# The worker itself is asked to stop and passes that on. What is left after the time below is killed, with all it started.
KillMode=mixed
TimeoutStopSec=60
# An engine that the kernel kills for its memory is one failed job, no reason to end the others.
OOMPolicy=continue
UMask=0077

[Install]
WantedBy=default.target
`,
  );
});

test('the unit of the machine runs as somebody, and may write where the worker has to', () => {
  const unit = systemdUnit({ ...FACTS, scope: 'system' });
  assert.match(unit, /^User=ann$/m);
  assert.match(unit, /^WantedBy=multi-user\.target$/m);
  assert.match(unit, /^ReadWritePaths="-\/home\/ann\/\.config\/minis-studio-worker" "-\/srv\/models"$/m);
  // Each of these would keep CUDA from making its device files, or JavaScript from being compiled.
  for (const broken of [
    'NoNewPrivileges',
    'PrivateDevices',
    'DeviceAllow',
    'MemoryDenyWriteExecute',
    'Restrict',
    'SystemCall',
  ]) {
    assert.doesNotMatch(unit, new RegExp(`^${broken}\\w*=`, 'm'));
  }
});

test('without systemd-notify the unit expects no words of the worker', () => {
  const unit = systemdUnit({ ...FACTS, notify: false });
  assert.match(unit, /^Type=exec$/m);
  assert.doesNotMatch(unit, /Watchdog|NotifyAccess/);
});

test('the service manager waits longer than the worker gives its jobs', () => {
  assert.equal(stopSecs({ ...FACTS, graceSecs: 0.5 }), 31);
  assert.equal(stopSecs({ ...FACTS, graceSecs: 1e12 }), 86_400);
});

const hasAnalyze = (() => {
  try {
    execFileSync('systemd-analyze', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();

test('systemd itself finds nothing wrong with the units, also with odd paths in them', {
  skip: hasAnalyze ? false : 'needs systemd-analyze: apt-get install systemd',
}, async () => {
  await using dir = await tempDir();
  const odd = dir.file(ODD);
  await mkdir(odd);
  await symlink(process.execPath, path.join(odd, 'node'));
  await mkdir(dir.file('run'));
  await chmod(dir.file('run'), 0o700);
  const plain = path.join(dir.path, 'node');
  await symlink(process.execPath, plain);
  for (const scope of ['user', 'system'] as const) {
    for (const node of [plain, path.join(odd, 'node')]) {
      const file = dir.file('minis-studio-worker.service');
      const unit = systemdUnit({
        ...FACTS,
        scope,
        user: 'root',
        command: [node, path.join(odd, 'bin.js')],
        configPath: path.join(odd, 'config.toml'),
        modelsRoot: path.join(odd, 'models'),
        searchPath: `${odd}:/bin`,
      });
      await writeFile(file, unit);
      const said = await new Promise<string>((resolve) => {
        execFile(
          'systemd-analyze',
          ['verify', '--man=no', ...(scope === 'user' ? ['--user'] : []), file],
          { env: { ...process.env, XDG_RUNTIME_DIR: dir.file('run') } },
          (error, stdout, stderr) => resolve(`${error?.code ?? 0}${stdout}${stderr}`),
        );
      });
      // It may speak of other units of this machine, which are no business of ours.
      assert.ok(said.startsWith('0') && !said.includes('minis-studio-worker'), `${scope} ${node}\n${said}\n${unit}`);
    }
  }
});

test('a line break in a path is refused, since it would be a line of its own', () => {
  for (const render of [systemdUnit, launchdPlist, taskXml] as const) {
    assert.throws(
      () => render({ ...FACTS, configPath: '/a\nExecStartPre=/bin/evil\n/config.toml' }),
      /control characters/,
    );
  }
});

test('the property list of macOS, to the letter', () => {
  assert.equal(
    launchdPlist({ ...FACTS, configPath: '/Users/ann/<a> & "b"/config.toml' }),
    `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
  <key>Label</key>
  <string>gg.minis.studio-worker</string>
  <key>ProgramArguments</key>
  <array>
    <string>/opt/node/bin/node</string>
    <string>/opt/studio-worker/bin/studio-worker.js</string>
    <string>run</string>
    <string>--config</string>
    <string>/Users/ann/&lt;a&gt; &amp; &quot;b&quot;/config.toml</string>
  </array>
  <key>EnvironmentVariables</key>
  <dict>
    <key>PATH</key>
    <string>/usr/local/bin:/usr/bin:/bin</string>
  </dict>
  <key>RunAtLoad</key>
  <true/>
  <key>KeepAlive</key>
  <dict>
    <key>SuccessfulExit</key>
    <false/>
  </dict>
  <key>ThrottleInterval</key>
  <integer>60</integer>
  <key>ExitTimeOut</key>
  <integer>60</integer>
  <key>Umask</key>
  <integer>63</integer>
</dict>
</plist>
`,
  );
});

test('the task of Windows, to the letter', () => {
  const facts: ServiceFacts = {
    ...FACTS,
    command: ['C:\\Program Files\\node\\node.exe', 'C:\\Apps\\R&D\\bin\\studio-worker.js'],
    configPath: 'C:\\Users\\Ann Müller\\config.toml',
    user: 'RIG\\Ann Müller',
  };
  assert.equal(
    taskXml(facts),
    `<?xml version="1.0" encoding="UTF-16"?>
<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <RegistrationInfo>
    <Description>studio-worker: GPU jobs for a studio</Description>
  </RegistrationInfo>
  <Triggers>
    <LogonTrigger>
      <Enabled>true</Enabled>
      <UserId>RIG\\Ann Müller</UserId>
    </LogonTrigger>
  </Triggers>
  <Principals>
    <Principal id="Author">
      <UserId>RIG\\Ann Müller</UserId>
      <LogonType>InteractiveToken</LogonType>
      <RunLevel>LeastPrivilege</RunLevel>
    </Principal>
  </Principals>
  <Settings>
    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>
    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>
    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>
    <StartWhenAvailable>true</StartWhenAvailable>
    <ExecutionTimeLimit>PT0S</ExecutionTimeLimit>
    <RestartOnFailure>
      <Interval>PT1M</Interval>
      <Count>10</Count>
    </RestartOnFailure>
  </Settings>
  <Actions Context="Author">
    <Exec>
      <Command>C:\\Program Files\\node\\node.exe</Command>
      <Arguments>&quot;C:\\Apps\\R&amp;D\\bin\\studio-worker.js&quot; &quot;run&quot; &quot;--config&quot; &quot;C:\\Users\\Ann Müller\\config.toml&quot;</Arguments>
    </Exec>
  </Actions>
</Task>
`,
  );
  const bytes = servicePlan('task-scheduler', { scope: 'user', homedir: 'C:\\Users\\ann', env: {} }).contents({
    ...FACTS,
    ...facts,
  });
  assert.deepEqual([...bytes.subarray(0, 4)], [0xff, 0xfe, 0x3c, 0]);
  assert.ok(bytes.toString('utf16le').includes('\r\n'));
});

test('a word for a Windows program keeps its quotes and backslashes', () => {
  assert.equal(windowsWord('C:\\a b\\'), '"C:\\a b\\\\"');
  assert.equal(windowsWord('say "hi"'), '"say \\"hi\\""');
  assert.equal(windowsWord('a\\"b'), '"a\\\\\\"b"');
});

test('each platform has its file and its commands, under the names that they have always had', () => {
  const of = (manager: Parameters<typeof servicePlan>[0], scope: 'user' | 'system', homedir: string) => {
    const { file, enable, enableNow, stop, disable, afterRemoval } = servicePlan(manager, { scope, homedir, env: {} });
    return {
      file,
      commands: [enable, enableNow, [...stop, ...disable], afterRemoval].map((each) => each.map(commandText)),
    };
  };
  assert.deepEqual(of('systemd', 'user', '/home/ann'), {
    file: '/home/ann/.config/systemd/user/minis-studio-worker.service',
    commands: [
      ['systemctl --user daemon-reload', 'systemctl --user enable minis-studio-worker.service'],
      ['systemctl --user daemon-reload', 'systemctl --user enable --now minis-studio-worker.service'],
      ['systemctl --user disable --now minis-studio-worker.service'],
      ['systemctl --user daemon-reload'],
    ],
  });
  assert.deepEqual(of('systemd', 'system', '/home/ann'), {
    file: '/etc/systemd/system/minis-studio-worker.service',
    commands: [
      ['systemctl daemon-reload', 'systemctl enable minis-studio-worker.service'],
      ['systemctl daemon-reload', 'systemctl enable --now minis-studio-worker.service'],
      ['systemctl disable --now minis-studio-worker.service'],
      ['systemctl daemon-reload'],
    ],
  });
  const plist = '/Users/ann/Library/LaunchAgents/gg.minis.studio-worker.plist';
  assert.deepEqual(of('launchd', 'user', '/Users/ann'), {
    file: plist,
    commands: [[], [`launchctl load -w ${plist}`], [`launchctl unload ${plist}`], []],
  });
  const xml = 'C:\\Users\\ann m\\AppData\\Roaming\\minis-studio-worker\\minis-studio-worker.task.xml';
  const create = `schtasks /Create /F /XML "${xml}" /TN MinisStudioWorker`;
  assert.deepEqual(of('task-scheduler', 'user', 'C:\\Users\\ann m'), {
    file: xml,
    commands: [
      [create],
      [create, 'schtasks /Run /TN MinisStudioWorker'],
      ['schtasks /End /TN MinisStudioWorker', 'schtasks /Delete /TN MinisStudioWorker /F'],
      [],
    ],
  });
});
