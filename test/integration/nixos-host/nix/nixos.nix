# The options of NixOS 25.11 that the module sets or reads, with their types and defaults. Where a type of NixOS is a
# submodule, any attributes are taken: the module's own are looked at by the tests.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkDefault mkOption types;
  option = type: default: mkOption { inherit type default; };
  off = option types.bool false;
  on = option types.bool true;
  any = option (types.attrsOf types.anything) { };
  strings = option (types.listOf types.str) [ ];
  ports = option (types.listOf types.port) [ ];
  docker = config.virtualisation.docker;
in
{
  options = {
    assertions = option (types.listOf types.anything) [ ];
    warnings = strings;
    system.nixos.release = option types.str "25.11";
    system.stateVersion = option types.str "25.11";
    boot.kernelModules = strings;
    environment.systemPackages = option (types.listOf types.package) [ ];
    nix.settings = any;
    users.users = any;
    users.groups.docker.members = strings;
    services.journald.extraConfig = option types.lines "";
    services.netbird.clients = any;
    services.openssh.enable = off;
    systemd.services = any;
    systemd.timers = any;
    systemd.network.networks = any;

    networking = {
      hostName = option types.str "nixos";
      useNetworkd = off;
      dhcpcd.denyInterfaces = strings;
      networkmanager.unmanaged = strings;
      nftables.enable = off;
      nftables.flushRuleset = off;
      firewall = {
        enable = on;
        allowedTCPPorts = ports;
        allowedUDPPorts = ports;
        allowedUDPPortRanges = option (types.listOf (types.attrsOf types.port)) [ ];
        interfaces = any;
        filterForward = off;
        checkReversePath = option (types.either types.bool (
          types.enum [
            "strict"
            "loose"
          ]
        )) true;
      };
    };

    virtualisation = {
      podman = {
        enable = off;
        dockerCompat = off;
        dockerSocket.enable = off;
      };
      docker = {
        enable = off;
        enableOnBoot = on;
        package = option types.package pkgs.docker;
        logDriver = option (types.enum [
          "none"
          "json-file"
          "syslog"
          "journald"
          "gelf"
          "fluentd"
          "awslogs"
          "splunk"
          "etwlogs"
          "gcplogs"
          "local"
        ]) "journald";
        daemon.settings = any;
        autoPrune.enable = off;
        autoPrune.dates = option types.str "weekly";
        autoPrune.flags = strings;
        rootless.enable = off;
        rootless.setSocketVariable = off;
      };
    };
  };

  config = {
    virtualisation.docker.daemon.settings = lib.mkIf docker.enable {
      log-driver = mkDefault docker.logDriver;
    };
  };
}
