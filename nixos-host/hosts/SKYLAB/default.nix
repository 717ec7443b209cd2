# SKYLAB as an example of a host that imports the module. Not built by the tests of this repository: they have no nixpkgs.
# What is specific to your machine goes into hardware-configuration.nix beside this file, which git does not know:
#
#   nixos-generate-config --show-hardware-config > nixos-host/hosts/SKYLAB/hardware-configuration.nix
#
# Add to it the lines about the boot loader (boot.loader…) of your /etc/nixos/configuration.nix: they depend on the machine.
{ lib, pkgs, ... }:
let
  hardware = ./hardware-configuration.nix;
in
{
  imports = lib.optional (builtins.pathExists hardware) hardware;

  assertions = [
    {
      assertion = builtins.pathExists hardware;
      message = ''
        nixos-host/hosts/SKYLAB/hardware-configuration.nix is missing: it says what disks and processor this machine has.
        Make it on the machine itself:
          nixos-generate-config --show-hardware-config > nixos-host/hosts/SKYLAB/hardware-configuration.nix
        Add the lines about the boot loader (boot.loader…) of your /etc/nixos/configuration.nix to it.
        Then build with path: in front, because with .#SKYLAB Nix sees only files that git knows:
          sudo nixos-rebuild switch --flake path:./nixos-host#SKYLAB
      '';
    }
  ];

  networking.hostName = "SKYLAB";

  services.skylab = {
    enable = true;
    operators = [ "operator" ];
    clone = "/srv/skylab-stack";
    # These repeat compose/hosts/SKYLAB/settings.yaml: reachability.stun_port and turn.relay_ports.
    turn.stunPort = 3478;
    turn.relayPorts.from = 49152;
    turn.relayPorts.to = 49181;
  };

  # An account to sign in with; its password is set once, by root: passwd operator
  users.users.operator = {
    isNormalUser = true;
    extraGroups = [ "wheel" ];
  };

  environment.systemPackages = [
    pkgs.nodejs_22
    pkgs.sops
    pkgs.age
    pkgs.git
  ];

  nix.settings.experimental-features = [
    "nix-command"
    "flakes"
  ];

  services.openssh.enable = true;

  # The release this machine was first installed with; it never changes afterwards.
  system.stateVersion = "25.11";
}
