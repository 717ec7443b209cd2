/*
 * What sops 3.13.3 printed and with which code it ended: recorded from the real program, for a file that was encrypted for
 * the recipient below. test/integration/secrets runs the same cases with the program itself, where it can be had.
 */

export const recipient = 'age1680njn8hql8lglnftrumgwpkh5yq2fph83yar74m407daclhuurs6dk43j';

const noDataKey = (reason: string): string => `Failed to get the data key required to decrypt the SOPS file.

Group 0: FAILED
  ${recipient}: FAILED
    - | ${reason}

Recovery failed because no master key was able to decrypt the file. In
order for SOPS to recover the file, at least one key has to be successful,
but none were.
`;

export const saidBySops = {
  otherKey: {
    exitCode: 128,
    stderr: noDataKey(`failed to create reader for decrypting sops data key with
      | age: identity did not match any of the recipients: incorrect
      | identity for recipient block. Did not find keys in locations
      | 'SOPS_AGE_SSH_PRIVATE_KEY_FILE',
      | 'SOPS_AGE_SSH_PRIVATE_KEY_CMD',
      | '/home/anna/.ssh/id_ed25519',
      | '/home/anna/.ssh/id_rsa', 'SOPS_AGE_KEY', and
      | 'SOPS_AGE_KEY_CMD'.`),
  },
  noKey: {
    exitCode: 128,
    stderr: noDataKey(`failed to load age identities. Did not find keys in
      | locations 'SOPS_AGE_SSH_PRIVATE_KEY_FILE',
      | 'SOPS_AGE_SSH_PRIVATE_KEY_CMD',
      | '/home/anna/.ssh/id_ed25519',
      | '/home/anna/.ssh/id_rsa', 'SOPS_AGE_KEY',
      | 'SOPS_AGE_KEY_FILE', 'SOPS_AGE_KEY_CMD', and
      | '/home/anna/.config/sops/age/keys.txt'.`),
  },
  keyFileMissing: {
    exitCode: 128,
    stderr: noDataKey(`failed to load age identities. Errors while loading age
      | identities: failed to open SOPS_AGE_KEY_FILE file: open
      | /home/anna/nope.txt: no such file or directory. Did not
      | find keys in locations 'SOPS_AGE_SSH_PRIVATE_KEY_FILE',
      | 'SOPS_AGE_KEY', 'SOPS_AGE_KEY_CMD', and
      | '/home/anna/.config/sops/age/keys.txt'.`),
  },
  keyFileBroken: {
    exitCode: 128,
    stderr: noDataKey(`failed to load age identities. Errors while loading age
      | identities: failed to parse 'SOPS_AGE_KEY_FILE' age
      | identities: unknown identity type. Did not find keys in
      | locations 'SOPS_AGE_KEY', and
      | 'SOPS_AGE_KEY_CMD'.`),
  },
  brokenValue: {
    exitCode: 25,
    stderr:
      'Error decrypting tree: Error walking tree: Could not decrypt value: Could not decrypt with AES_GCM: cipher: message authentication failed\n',
  },
  macMismatch: {
    exitCode: 51,
    stderr: 'Cannot decrypt MAC: Could not decrypt with AES_GCM: cipher: message authentication failed\n',
  },
  notYaml: { exitCode: 1, stderr: 'yaml: line 1: did not find expected node content\n' },
} as const;
