// Every way an update can fail, with a code that does not change. Messages say what to do; callers match on the code.

export type UpdateErrorCode =
  /** The feed cannot be reached, answers with an error, or is too slow. */
  | 'FEED_UNREACHABLE'
  /** What answers is not a feed of releases: a login page, a proxy, something huge. */
  | 'FEED_UNREADABLE'
  | 'VERSION_UNKNOWN'
  /** The release has nothing for this platform. */
  | 'NO_BUNDLE_FOR_PLATFORM'
  | 'ADDRESS_REFUSED'
  | 'DOWNLOAD_FAILED'
  /** More or fewer bytes than promised. */
  | 'SIZE_MISMATCH'
  | 'CHECKSUM_MISSING'
  | 'CHECKSUM_MISMATCH'
  /** The bytes are the promised ones, but no bundle of this program for this machine. */
  | 'BUNDLE_BROKEN'
  | 'INSTALL_UNWRITABLE'
  | 'DISK_FULL'
  /** Another process is updating this installation. */
  | 'UPDATE_UNDER_WAY'
  /** A git clone or an npm package: not ours to change. */
  | 'NOT_MANAGED'
  | 'NOTHING_TO_GO_BACK_TO'
  /** The new version did not become healthy; the old one goes on. */
  | 'TRIAL_FAILED';

export class UpdateError extends Error {
  static {
    UpdateError.prototype.name = 'UpdateError';
  }
  readonly code: UpdateErrorCode;

  constructor(code: UpdateErrorCode, message: string, options?: { cause: unknown }) {
    super(message, options);
    this.code = code;
  }
}

/** An error of the file system under the installation, as one that says what the operator can do. */
export function installError(root: string, thrown: unknown): UpdateError {
  if (thrown instanceof UpdateError) return thrown;
  const { code: name } = thrown as { code?: unknown };
  if (typeof name !== 'string') {
    const why = thrown instanceof Error ? thrown.message : String(thrown);
    return new UpdateError('INSTALL_UNWRITABLE', `the installation ${root} could not be changed: ${why}`, {
      cause: thrown,
    });
  }
  if (name === 'ENOSPC' || name === 'EDQUOT') {
    return new UpdateError('DISK_FULL', `no room for the new version in ${root}: free some space (${name})`, {
      cause: thrown,
    });
  }
  return new UpdateError(
    'INSTALL_UNWRITABLE',
    `cannot write in the installation ${root} (${name}): give the worker's user the right to, or set auto_update_enabled = false and update it in your own way`,
    { cause: thrown },
  );
}
