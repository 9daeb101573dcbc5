"""Commands whose work an image has no use for, or that its first start does itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from imagekit.engines.native.accounts import from_sysusers
from imagekit.engines.native.ledger.effects import (
    GCONV,
    AddAccount,
    LinkerCache,
    MakeLink,
    Stale,
    Trust,
    Unmade,
)
from imagekit.engines.native.ledger.situation import Call, Outcome, Status, always

#: No init runs in the image: there is nothing to enable, to reload, or to tell.
_SYSTEMD: Final = (
    "systemctl systemd-update-helper systemd-hwdb udevadm systemd-machine-id-setup systemd-firstboot systemd-catalog "
    "journalctl loginctl systemd-run systemd-random-seed bootctl kernel-install service chkconfig initctl telinit "
    "invoke-rc.d update-rc.d deb-systemd-helper dbus-send gdbus busctl killall kill pkill firewall-cmd "
    "firewall-offline-cmd modprobe depmod dracut grubby grub2-mkconfig new-kernel-pkg weak-modules "
    "sysctl systemd-sysctl"
)
#: SELinux is off in the image: nothing has a label.
_SELINUX: Final = (
    "restorecon fixfiles semodule semanage setsebool load_policy chcon matchpathcon sestatus setfiles restorecond"
)
#: What is made anew from files that are there, and what programs do without: they look for themselves.
_CACHES: Final = (
    "fc-cache update-desktop-database gtk-update-icon-cache gtk4-update-icon-cache install-info "
    "mandb makewhatis gtk-update-icon-cache-3.0 texhash mktexlsr scrollkeeper-update rarian-sk-update mkfontdir "
    "mkfontscale update-pciids appstreamcli"
)
#: What only these programs can make, by what does not work without: the formats are their own, or they ask modules.
_UNMADE: Final = {
    "glib-compile-schemas": "programs that use GSettings end where they ask for a schema of these packages",
    "gdk-pixbuf-query-loaders": "gdk-pixbuf does not read images of the kinds that these packages are for",
    "update-mime-database": "programs do not know the kinds of files that these packages tell of",
    "gtk-query-immodules-2.0": "GTK does not find the input methods of these packages",
    "gtk-query-immodules-3.0": "GTK does not find the input methods of these packages",
    "update-gtk-immodules": "GTK does not find the input methods of these packages",
    "pango-querymodules": "Pango does not find the modules of these packages",
    "gconftool-2": "GConf does not have the settings of these packages",
}
_CHECKED: Final = frozenset({"is-active", "is-enabled", "is-failed", "status", "is-system-running"})


def _systemd(call: Call) -> Outcome:
    words = {value.text for value in call.values}
    status: Status = None if words & _CHECKED else True
    return Outcome(label="systemd", status=status)


def _ldconfig(call: Call) -> Outcome:
    if any(value.text not in {"-X", "-v", "--"} for value in call.values if (value.text or "").startswith("-")):
        raise call.refuse("has an option that is not known")
    return Outcome(label="linker", effects=(LinkerCache(),))


def _trust(call: Call) -> Outcome:
    if call.arguments not in ((), ("extract",), ("check",), ("enable",), ("force-enable",)):
        raise call.refuse("is called in a way that is not known")
    return Outcome(label="trust", effects=(Trust(),) if call.arguments != ("check",) else ())


def _unmade(call: Call) -> Outcome:
    program = call.name.rpartition("/")[2].removesuffix("-64")
    return Outcome(label="caches", effects=(Unmade(program=program, lacking=_UNMADE[program]),))


def _gio_modules(call: Call) -> Outcome:
    """gio-querymodules(1): GIO loads all modules of a folder that has no cache."""
    folders = [value.text for value in call.values if value.text and value.text.startswith("/")]
    return Outcome(label="caches", effects=tuple(Stale(path=f"{call.path(one)}/giomodule.cache") for one in folders))


def _legacy(call: Call) -> Outcome:
    """ca-legacy(8): which of two files of old authorities counts; a choice that was made already stays."""
    if call.arguments != ("install",):
        raise call.refuse("is called in a way that is not known")
    link = MakeLink(
        path="/etc/pki/ca-trust/source/ca-bundle.legacy.crt",
        target="/usr/share/pki/ca-trust-legacy/ca-bundle.legacy.default.crt",
    )
    return Outcome(label="trust", effects=(link,))


def _sysusers(call: Call) -> Outcome:
    """systemd-sysusers(8): files of packages are read in any case, so only what is given here counts."""
    if any(value.text == "-" for value in call.values):
        if call.input is None:
            raise call.refuse("reads what only running it would tell")
        accounts = from_sysusers(call.input.encode("utf-8"), "a scriptlet")
        return Outcome(label="accounts", effects=tuple(AddAccount(account=account) for account in accounts))
    return Outcome(label="accounts")


COMMANDS: Final[Mapping[str, Callable[[Call], Outcome]]] = {
    **dict.fromkeys(_SYSTEMD.split(), _systemd),
    **dict.fromkeys(_SELINUX.split(), always("selinux")),
    **dict.fromkeys(_CACHES.split(), always("caches")),
    **dict.fromkeys((*_UNMADE, *(f"{program}-64" for program in _UNMADE)), _unmade),
    **dict.fromkeys(("gio-querymodules", "gio-querymodules-64"), _gio_modules),
    "iconvconfig": lambda _: Outcome(label="caches", effects=(Stale(path=GCONV),)),
    "ldconfig": _ldconfig,
    "update-ca-trust": _trust,
    "ca-legacy": _legacy,
    # What tmpfiles.d lists lies below /run and /tmp, which an image does not keep.
    "systemd-tmpfiles": always("temporary files"),
    "systemd-sysusers": _sysusers,
}
