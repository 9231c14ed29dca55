// What an engine process may see of our environment: everything but secrets. A native library that writes its
// environment into a crash dump must not write the studio's token with it. Model hubs are asked by the model store, in the
// thread, so the hub's token is for nobody else either.

const SECRET_NAME = /TOKEN|SECRET|PASSW|CREDENTIAL|KEY|DSN/i;

export function childEnv(env: Readonly<Record<string, string | undefined>>): Record<string, string | undefined> {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !SECRET_NAME.test(name)));
}
