# A virtual machine with the module: what only a running NixOS can show. Not run by the tests of this repository: it needs
# nixpkgs and KVM. By hand, in nixos-host/: nix build path:.#checks.x86_64-linux.host
{ pkgs, module }:
pkgs.testers.runNixOSTest {
  name = "skylab-host";

  nodes.machine = {
    imports = [ module ];
    services.skylab = {
      enable = true;
      operators = [ "ada" ];
      publishedPortsAreKnown = true;
      peer.enable = true;
      peer.allowedTCPPorts = [ 2283 ];
    };
    users.users.ada.isNormalUser = true;
    users.users.bob.isNormalUser = true;
    system.stateVersion = "25.11";
  };

  testScript = ''
    machine.wait_for_unit("multi-user.target")

    with subtest("Docker runs after boot, with Compose, and operators may use it"):
        machine.wait_for_unit("docker.service")
        machine.succeed("su ada -c 'docker info'")
        machine.succeed("su ada -c 'docker compose version'")
        machine.fail("su bob -c 'docker info'")

    with subtest("the daemon took its settings"):
        machine.succeed("docker info --format '{{.LoggingDriver}}' | grep -x journald")
        machine.succeed("docker info --format '{{.LiveRestoreEnabled}}' | grep -x false")

    with subtest("it is cleaned every week"):
        machine.succeed("systemctl is-enabled docker-prune.timer")
        machine.fail("systemctl cat docker-prune.service | grep -e --volumes")

    with subtest("open are coturn's ports, WireGuard's, and those of the mesh on its interface only"):
        rules = machine.succeed("iptables-save")
        assert "--dport 3478" in rules, rules
        assert "--dport 49152:49181" in rules, rules
        assert "--dport 51820" in rules, rules
        mesh = [line for line in rules.splitlines() if "--dport 2283" in line]
        assert mesh and all("-i wt0" in line for line in mesh), rules

    with subtest("what the client of the mesh needs of the kernel is loaded"):
        machine.succeed("test -c /dev/net/tun")
        machine.succeed("lsmod | grep -w wireguard")
  '';
}
