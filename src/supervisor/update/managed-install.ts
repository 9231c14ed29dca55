// The installation that this program runs from, for commands that change it.
import { type InstallKind, installKind } from './install-kind.ts';
import { UpdateError } from './update-error.ts';

/** Throws `NOT_MANAGED`, with what to do instead, for a clone and an npm package. */
export function managedInstall(): InstallKind & { kind: 'managed' } {
  const install = installKind();
  if (install.kind === 'managed') return install;
  throw new UpdateError('NOT_MANAGED', install.how);
}
