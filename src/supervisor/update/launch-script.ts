// The text of `<root>/bin/studio-worker`: the one file that is started, by hand and by services, whatever version is
// current. Pure. It stays this small because it is never updated while it is needed.

/** For sh on Linux and macOS. */
export function shellScript(root: string): string {
  return `#!/bin/sh
# Starts the current version of studio-worker. Written by its installer.
root=${shellQuoted(root)}
version=current
[ -x "$root/current/runtime/node" ] || version=previous
# A version that has not been healthy yet: the one before it counts the starts and goes back when there are too many.
if [ -f "$root/probation" ] && [ -x "$root/previous/runtime/node" ]; then
  exec "$root/previous/runtime/node" "$root/previous/dist/supervisor/update/launcher-main.js" start -- "$@"
fi
exec "$root/$version/runtime/node" "$root/$version/bin/studio-worker.js" "$@"
`;
}

/** For cmd.exe on Windows. Percent signs have a meaning there, and no file name needs one. */
export function commandScript(root: string): string {
  if (/["%\r\n]/.test(root)) throw new Error(`the folder ${root} has a character that cmd.exe cannot take`);
  return [
    '@echo off',
    'rem Starts the current version of studio-worker. Written by its installer.',
    'setlocal',
    `set "root=${root}"`,
    'set "version="',
    'set "previous="',
    'if exist "%root%\\current.txt" set /p version=<"%root%\\current.txt"',
    'if exist "%root%\\previous.txt" set /p previous=<"%root%\\previous.txt"',
    'if not exist "%root%\\versions\\%version%\\runtime\\node.exe" set "version=%previous%"',
    'if not exist "%root%\\probation" goto start',
    'if not exist "%root%\\versions\\%previous%\\runtime\\node.exe" goto start',
    '"%root%\\versions\\%previous%\\runtime\\node.exe" "%root%\\versions\\%previous%\\dist\\supervisor\\update\\launcher-main.js" start -- %*',
    'exit /b %errorlevel%',
    ':start',
    '"%root%\\versions\\%version%\\runtime\\node.exe" "%root%\\versions\\%version%\\bin\\studio-worker.js" %*',
    'exit /b %errorlevel%',
    '',
  ].join('\r\n');
}

export function launchScript(root: string, platform: NodeJS.Platform): string {
  return platform === 'win32' ? commandScript(root) : shellScript(root);
}

function shellQuoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
