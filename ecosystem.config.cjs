// Two workers of one clone under pm2 (docs/operations/dev-loop.md): one that follows the sources, one that does not.
// Each has a configuration of its own, since two processes with one worker id take the session from each other.
const { existsSync } = require('node:fs');
const { homedir } = require('node:os');
const path = require('node:path');

const windows = process.platform === 'win32';
const at = (...parts) => path.join(__dirname, ...parts);
const ownNode = at('node_modules', 'node', 'bin', windows ? 'node.exe' : 'node');
const node = existsSync(ownNode) ? ownNode : 'node';
const configOf = (name) => path.join(homedir(), '.config', `minis-studio-worker-${name}`, 'config.toml');
const nowhere = windows ? 'NUL' : '/dev/null';

const both = {
  cwd: __dirname,
  interpreter: 'none',
  script: node,
  // pm2 itself restarts nothing because of a changed file.
  watch: false,
  // Longer than shutdown_grace_secs (30) and the delivery of results after it; past it pm2 kills.
  kill_timeout: 60_000,
  // The one process is told, and tells its own. Otherwise pm2 would stop engines in the middle of the job that is to end.
  treekill: false,
};

module.exports = {
  apps: [
    {
      ...both,
      name: 'studio-worker-dev',
      args: [
        `--watch-path=${process.env.STUDIO_WORKER_DEV_WATCH || at('src')}`,
        '--watch-preserve-output',
        at('bin', 'studio-worker.js'),
        'run',
        '--config',
        process.env.STUDIO_WORKER_DEV_CONFIG || configOf('dev'),
      ],
      // Node waits for the next change after a worker that ended; pm2 would only start a watcher that has broken.
      autorestart: false,
      env: { STUDIO_WORKER_DEBUG: '1', DISPLAY: process.env.DISPLAY || ':0' },
    },
    {
      ...both,
      name: 'studio-worker-stable',
      args: [
        at('.stable', 'bin', 'studio-worker.js'),
        'run',
        '--config',
        process.env.STUDIO_WORKER_STABLE_CONFIG || configOf('stable'),
      ],
      autorestart: true,
      restart_delay: 5_000,
      // A clean stop, another worker on this configuration, and a studio that refuses the credentials.
      stop_exit_codes: [0, 77],
      // The worker rolls log files of its own; pm2's would grow without end.
      out_file: nowhere,
      error_file: nowhere,
    },
  ],
};
