// What ffmpeg may see of our environment: what a program needs to start, and nothing else. No secret gets near a decoder
// that reads strangers' files, and no FFREPORT of somebody's shell makes it write a report into the current folder.

const ALLOWED = [
  ...['PATH', 'HOME', 'TMPDIR', 'TEMP', 'TMP', 'LD_LIBRARY_PATH', 'DYLD_LIBRARY_PATH'],
  // Windows starts nothing without these.
  ...['SystemRoot', 'windir', 'SystemDrive', 'PATHEXT', 'USERPROFILE', 'LOCALAPPDATA'],
];

export function childEnv(env: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const seen = ALLOWED.flatMap((name) => {
    const value = env[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  // Numbers with a point and messages in English, whatever the operator's language: both are read by us.
  return { ...Object.fromEntries(seen), LC_ALL: 'C' };
}
