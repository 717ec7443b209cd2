import { createHash, X509Certificate } from 'node:crypto';

/** A root certificate of a CA that this host has for itself. */
export interface LocalRoot {
  /** What it signs, such as `every certificate of this stack`. */
  readonly signs: string;
  /** Where it lies on this machine. */
  readonly file: string;
  readonly pem: string;
}

/** SHA-256 of the certificate, as browsers and phones show it. */
export const fingerprintOf = (pem: string): string => {
  const digest = createHash('sha256').update(new X509Certificate(pem).raw).digest('hex').toUpperCase();
  return (digest.match(/../g) ?? []).join(':');
};

/** How a root is trusted, by platform; `name` is a short file name without its end. */
const platforms = (file: string, name: string): readonly (readonly [string, readonly string[]])[] => [
  [
    'Debian, Ubuntu',
    [`sudo cp ${file} /usr/local/share/ca-certificates/${name}.crt`, 'sudo update-ca-certificates'],
  ],
  ['Fedora', [`sudo cp ${file} /etc/pki/ca-trust/source/anchors/${name}.pem`, 'sudo update-ca-trust']],
  ['NixOS', [`copy it beside your configuration, then: security.pki.certificateFiles = [ ./${name}.pem ];`]],
  [
    'Chromium on Linux',
    [`certutil -d sql:$HOME/.pki/nssdb -A -t C,, -n ${name} -i ${file}   (package libnss3-tools)`],
  ],
  [
    'Firefox',
    [
      'it has a list of its own: Settings, Privacy & Security, View Certificates, Authorities, Import; tick websites',
    ],
  ],
  [
    'macOS',
    [`sudo security add-trusted-cert -d -r trustRoot -k /Library/Keychains/System.keychain ${name}.pem`],
  ],
  ['Windows', [`as administrator: certutil -addstore -f ROOT ${name}.crt`]],
  [
    'iPhone, iPad',
    [
      `send ${name}.crt to it (AirDrop, mail) and open it; then Settings, General, VPN & Device Management: install`,
      'then Settings, General, About, Certificate Trust Settings: switch it on',
    ],
  ],
  [
    'Android',
    [
      `copy ${name}.crt to it; Settings, Security, More, Encryption & credentials, Install a certificate, CA certificate`,
      'browsers take it; apps mostly do not',
    ],
  ],
];

/** What a person does to trust these roots, as lines. */
export const trustText = (roots: readonly LocalRoot[], host: string): readonly string[] =>
  roots.flatMap(({ signs, file, pem }, index) => {
    const { subject, validTo } = new X509Certificate(pem);
    const name = `skylab-${host}${index === 0 ? '' : `-${index + 1}`}`;
    return [
      ...(index === 0 ? [] : ['']),
      `This host has a certificate authority of its own; it signs ${signs}.`,
      `certificate   ${file}`,
      `name          ${subject.replaceAll('\n', ', ')}`,
      `valid until   ${validTo}`,
      `SHA-256       ${fingerprintOf(pem)}`,
      'Compare the SHA-256 on the device before you trust it. To take it along: npm run -s secrets -- ca --pem > file',
      '',
      ...platforms(file, name).flatMap(([platform, steps]) => [
        `${platform}:`,
        ...steps.map((step) => `  ${step}`),
      ]),
    ];
  });
