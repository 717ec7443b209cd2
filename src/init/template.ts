/** The settings of a host that has none yet; what is asked for stands in angle brackets. */
export const emptySettings = `\
# Settings of this host, written by npm run init. Change them here as you like: init only changes what you answer
# differently, and shows the difference before it writes. docs/settings.md describes every setting;
# compose/hosts/example has them all.

# The zone at Cloudflare. Names in it: netbird.<domain>, pocketid.<domain>, turn.<domain>
domain: <your domain at Cloudflare>

# From where devices reach this server.
reachability:
  # lan: at home only. port: from anywhere, through one forwarded TCP port and UDP 3478. public: through TCP 443
  mode: <lan, port or public>
  # TCP port of every https address. Changed later, every device signs in anew and every client is registered anew.
  port: <a TCP port>
  # Address of this machine on which the ports are published; no other one is used.
  bind: <the address of this machine in your network>

# own: the stack's nginx holds the port. behind: another nginx holds it and passes on
ingress:
  mode: <own or behind>

certificates:
  directory: letsencrypt

cloudflare:
  # Where the API token comes from; it never stands in this file.
  token: <a place>

identity:
  # The first administrator. This person invites all others, and owns the mesh.
  admin:
    username: <a sign-in name>
    email: <an e-mail address>
    first_name: <a first name>
`;
