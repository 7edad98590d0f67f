# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# nix-build cmd/pack/nix, in this tree.
{ pkgs ? import <nixpkgs> { } }:

pkgs.stdenv.mkDerivation {
  pname = "vdevd";
  version = "0.1.0";
  src = ../../..;

  nativeBuildInputs = [ pkgs.pkg-config ];
  buildInputs = with pkgs; [ alsa-lib i2c-tools libev libgpiod libseccomp liburing ];
  checkInputs = [ pkgs.check ];

  # libev has no pkg-config file: the compiler finds it.
  configureFlags = [ "--sysconfdir=/etc" "--enable-modules" ];
  enableParallelBuilding = true;

  meta = {
    description = "Virtio devices for virtual machines, over vhost-user";
    license = with pkgs.lib.licenses; [ asl20 bsd3 ];
    platforms = pkgs.lib.platforms.linux;
    mainProgram = "vdevd";
  };
}
