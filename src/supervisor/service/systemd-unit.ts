// Renders the unit file of systemd. Pure.
import path from 'node:path';
import { EXIT } from '../exit-codes.ts';
import { refuseControlCharacters, type ServiceFacts, stopSecs } from './facts.ts';

export type SystemdFacts = ServiceFacts & {
  readonly scope: 'user' | 'system';
  /** Whether `systemd-notify` is there, and systemd new enough (246) to tell who called it when the call is over. */
  readonly notify: boolean;
};

/** Silence of the worker after which systemd starts it anew. A session that has lost its studio notices after 20 s. */
export const WATCHDOG_SECS = 90;

export function systemdUnit(facts: SystemdFacts): string {
  refuseControlCharacters(facts);
  const [first, ...words] = [...facts.command, 'run', '--config', facts.configPath] as const;
  const dir = path.posix.dirname(facts.configPath);
  return `# Written by \`studio-worker install-service\`, which writes it anew when it is called again.
# Changes of your own belong into a drop-in: systemctl ${facts.scope === 'user' ? '--user ' : ''}edit minis-studio-worker
[Unit]
Description=studio-worker: GPU jobs for a studio
Documentation=https://github.com/webbertakken/studio-worker
Wants=network-online.target
After=network-online.target

[Service]
${facts.notify ? NOTIFY : 'Type=exec'}
${facts.scope === 'system' ? `User=${unspecified(facts.user)}\n` : ''}ExecStart=${[program(first), ...words.map(argument)].join(' ')}
Environment=${quoted(`PATH=${facts.searchPath}`)}
# HF_TOKEN, SENTRY_DSN and the like, one NAME=value a line; the file may be missing.
EnvironmentFile=-${globbed(path.posix.join(dir, 'worker.env'))}

Restart=on-failure
RestartSec=5
# The studio refused the credentials: it would refuse them again.
RestartPreventExitStatus=${EXIT.authFailed}

# The worker itself is asked to stop and passes that on. What is left after the time below is killed, with all it started.
KillMode=mixed
TimeoutStopSec=${stopSecs(facts)}
# An engine that the kernel kills for its memory is one failed job, no reason to end the others.
OOMPolicy=continue
UMask=0077
${facts.scope === 'system' ? hardening(facts, dir) : ''}
[Install]
WantedBy=${facts.scope === 'system' ? 'multi-user.target' : 'default.target'}
`;
}

const NOTIFY = `Type=notify
# The worker speaks through \`systemd-notify\`, a child of it.
NotifyAccess=all
WatchdogSec=${WATCHDOG_SECS}
# A worker that hangs listens to no other.
WatchdogSignal=SIGKILL`;

/**
 * Nothing that implies NoNewPrivileges, which most of systemd's restrictions do: on a machine without a desktop, CUDA
 * makes its device files through the setuid program nvidia-modprobe. Nothing that hides devices, and no ban on memory
 * that is both written and run, which JavaScript is compiled into.
 */
function hardening({ modelsRoot }: SystemdFacts, configDir: string): string {
  return `
# No NoNewPrivileges, nor what implies it: CUDA may need nvidia-modprobe, which is setuid.
ProtectSystem=full
ProtectControlGroups=yes
ReadWritePaths=${namespacePath(configDir)} ${namespacePath(modelsRoot)}
`;
}

/** `%` begins one of systemd's specifiers. */
function unspecified(text: string): string {
  return text.replaceAll('%', '%%');
}

/** In quotes, with systemd's (C's) escapes. */
function quoted(text: string): string {
  return `"${unspecified(text).replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
}

/**
 * The program of a command line: no variable is replaced in its path, so `$` stands for itself. systemd refuses programs
 * with quotes or backslashes in their paths; a shell that becomes the program does not.
 */
function program(file: string): string {
  return /["'\\]/.test(file) ? `/bin/sh -c 'exec "$$0" "$$@"' ${argument(file)}` : quoted(file);
}

function argument(text: string): string {
  return quoted(text).replaceAll('$', '$$$$');
}

/** `-`: a folder that is not there yet is no failure. */
function namespacePath(dir: string): string {
  return quoted(`-${dir}`);
}

/** Neither quotes nor escapes here, but the path is a pattern for files. */
function globbed(file: string): string {
  return unspecified(file).replace(/[\\*?[\]]/g, '\\$&');
}
