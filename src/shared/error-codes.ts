/**
 * Every error this program can end with: what it means, and the exit code it leads to.
 * `docs/errors.md` is generated from this table.
 *
 * Exit codes: 1 a bug in us · 2 something differs · 3 an outside system failed, safe to run again · 4 deadline passed ·
 * 5 lock held · 6 declined · 64 usage · 78 settings · 130 interrupted.
 */
export const errorCodes = {
  INTERNAL: { exit: 1, means: 'A bug in this program. The message and the stack belong in a bug report.' },
  USAGE: { exit: 64, means: 'The command line was not understood.' },
  SETTINGS_INVALID: {
    exit: 78,
    means: 'The settings of the host are not valid. Every problem is listed with its path.',
  },
  SETTINGS_PLACEHOLDER: {
    exit: 78,
    means:
      'Values of the settings are still to be filled in. Each is listed with its path and with what belongs there.',
  },
  SETTINGS_MISSING: { exit: 78, means: 'There is no folder of settings for the host that was named.' },
  SECRET_UNREADABLE: { exit: 78, means: 'A secret that the settings point to cannot be read.' },
  SECRET_INVALID: { exit: 78, means: 'A secret was read, but it is not of the wanted form.' },
  SECRET_FIXED: {
    exit: 6,
    means: 'This secret cannot get a new value without losing what it protects. Nothing was changed.',
  },
  LOCAL_CA_MISSING: {
    exit: 3,
    means: 'This host has no certificate authority of its own, or its certificate is not known yet.',
  },
  ISSUER_CHANGED: {
    exit: 78,
    means:
      'The settings name another issuer than the running stack has. Passkeys and every client are bound to the issuer.',
  },
  PACKAGES_MISSING: {
    exit: 3,
    means: 'The npm packages that this program is built from could not be installed.',
  },
  LOCK_HELD: { exit: 5, means: 'Another run is at work on this host.' },
  DECLINED: { exit: 6, means: 'The question was answered with no. Nothing was changed.' },
  INTERRUPTED: { exit: 130, means: 'The run was interrupted. Running it again continues where it stopped.' },
  DEADLINE: { exit: 4, means: 'A step did not finish in its time.' },
  NOT_CONVERGED: {
    exit: 3,
    means: 'A step succeeded twice, and what it should have changed is still not so.',
  },
  BLOCKED: { exit: 3, means: 'Steps are left that cannot run, because what they need is not there.' },
  DISK_FULL: { exit: 3, means: 'The disk is full.' },
  DISK_READ_ONLY: { exit: 3, means: 'The disk, or a folder on it, cannot be written.' },
  DISK_DENIED: { exit: 3, means: 'This user may not read or write there.' },
  ENGINE_MISSING: { exit: 3, means: 'There is no Docker Engine on this machine.' },
  ENGINE_UNREACHABLE: { exit: 3, means: 'The Docker Engine does not answer.' },
  ENGINE_DENIED: { exit: 3, means: 'This user may not talk to the Docker Engine.' },
  ENGINE_TOO_OLD: { exit: 3, means: 'The Docker Engine is older than this stack needs.' },
  ENGINE_FAILED: { exit: 3, means: 'The Docker Engine refused a call or broke off in the middle of it.' },
  COMPOSE_MISSING: { exit: 3, means: 'Docker Compose is not installed.' },
  COMPOSE_TOO_OLD: { exit: 3, means: 'Docker Compose is older than this stack needs.' },
  COMPOSE_FAILED: { exit: 3, means: 'Docker Compose failed. Its last lines are part of the message.' },
  IMAGE_UNAVAILABLE: { exit: 3, means: 'An image is neither here, nor to be pulled, nor to be built.' },
  PORT_TAKEN: { exit: 3, means: 'A port this stack needs is held by another program.' },
  SUBNET_TAKEN: { exit: 3, means: 'The subnet of this stack overlaps with one that is in use.' },
  SERVICE_UNHEALTHY: {
    exit: 3,
    means: 'A service does not become healthy. Its last log lines are part of the message.',
  },
  DATA_FOREIGN: {
    exit: 3,
    means:
      'A service would meet data that was written by something else: another major version, or a stand-in.',
  },
  DATABASE_FAILED: { exit: 3, means: 'PostgreSQL refused what was asked of it.' },
  DUMP_UNUSABLE: { exit: 78, means: 'What was given as a dump of a database cannot be used.' },
  TAKEOVER_REFUSED: {
    exit: 3,
    means:
      'A Pocket ID cannot be taken over, because something of its own or of this stack stands in the way. Nothing was changed.',
  },
  ENCRYPTION_KEY_CHANGED: {
    exit: 3,
    means: 'The database was written with another encryption key than the one present now.',
  },
  DNS_API_UNREACHABLE: { exit: 3, means: 'The API of the DNS provider does not answer.' },
  DNS_API_DENIED: {
    exit: 3,
    means: 'The DNS provider refuses the token, or the token may not do what is asked.',
  },
  DNS_API_LIMITED: { exit: 3, means: 'The DNS provider asks us to wait.' },
  DNS_API_FAILED: { exit: 3, means: 'The DNS provider answered with an error of its own.' },
  ZONE_NOT_FOUND: { exit: 3, means: 'The token sees no zone that the domain belongs to.' },
  RECORD_CONFLICT: { exit: 3, means: 'A DNS record of another maker stands where ours should be.' },
  DNS_NOT_PROPAGATED: {
    exit: 3,
    means: 'An authoritative server does not show a record that was just made.',
  },
  CA_UNREACHABLE: { exit: 3, means: 'The certificate authority does not answer.' },
  CA_REFUSED: { exit: 3, means: 'The certificate authority refuses the order.' },
  CLOCK_WRONG: {
    exit: 3,
    means:
      'The clock of this machine is a day or more from that of the certificate authority: what is due would be guessed.',
  },
  CA_LIMITED: { exit: 3, means: 'The certificate authority asks us to wait.' },
  LOCAL_CA_UNFIT: {
    exit: 3,
    means:
      'The CA that signs for private names cannot sign for those that are wanted. It is never replaced unasked: devices trust exactly that one.',
  },
  CERTIFICATE_INVALID: { exit: 3, means: 'A certificate that was issued does not fit what was asked for.' },
  CERTIFICATE_KEPT: {
    exit: 78,
    means:
      'The settings would replace a certificate that every device trusts by one that fewer trust. It is kept until somebody says otherwise.',
  },
  INGRESS_NOT_FRONTED: {
    exit: 3,
    means:
      'Another nginx holds the port, and it does not pass on to the stack yet: it has to be given the file that was written for it.',
  },
  INGRESS_INVALID: { exit: 3, means: 'nginx refuses the configuration that was rendered.' },
  IDENTITY_UNREACHABLE: { exit: 3, means: 'Pocket ID does not answer.' },
  IDENTITY_REFUSED: { exit: 3, means: 'Pocket ID refuses a call.' },
  IDENTITY_LIMITED: { exit: 3, means: 'Pocket ID asks us to wait.' },
  IDENTITY_CONFLICT: {
    exit: 3,
    means: 'Pocket ID holds an object of that name that this stack did not make.',
  },
  MESH_UNREACHABLE: { exit: 3, means: 'NetBird does not answer.' },
  MESH_REFUSED: { exit: 3, means: 'NetBird refuses a call.' },
  MESH_CONFLICT: { exit: 3, means: 'NetBird holds an object of that name that this stack did not make.' },
  PROOF_NOT_STARTED: { exit: 3, means: 'A proof could not begin, because what it looks at is not there.' },
} as const satisfies Record<string, { exit: number; means: string }>;

/** The closed set of error codes. */
export type ErrorCode = keyof typeof errorCodes;
