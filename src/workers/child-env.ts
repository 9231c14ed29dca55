// What an engine process may see of our environment: everything but secrets. A native library that writes its
// environment into a crash dump must not write the studio's token with it.

const SECRET_NAME = /TOKEN|SECRET|PASSW|CREDENTIAL|KEY|DSN/i;
/** Model hubs are asked by the engines themselves. */
const ALLOWED = new Set(['HF_TOKEN']);

export function childEnv(env: Readonly<Record<string, string | undefined>>): Record<string, string | undefined> {
  return Object.fromEntries(Object.entries(env).filter(([name]) => ALLOWED.has(name) || !SECRET_NAME.test(name)));
}
