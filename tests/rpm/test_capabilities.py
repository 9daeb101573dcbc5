"""Capabilities: text to the bytes of the attribute."""

import contextlib
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagekit.errors import BuildFailed
from imagekit.rpm.capabilities import encoded
from tests.support.tools import need, need_root

TEXTS = [
    *("cap_net_raw=ep", "cap_net_raw+ep", "= cap_net_raw+ep", "cap_net_raw=+ep", "cap_net_raw,cap_net_admin=p"),
    *("cap_chown,cap_checkpoint_restore=eip", "cap_setuid=i", "=ep", "all=p", "=p cap_sys_admin-p", "CAP_KILL=ep"),
    *("cap_net_raw+p cap_net_raw+e", "cap_bpf=ep cap_net_raw=", "cap_net_raw,cap_bpf=ep cap_net_raw-ep"),
]


def test_the_layout_of_the_attribute():
    """vfs_cap_data, revision 2 (include/uapi/linux/capability.h)."""
    assert encoded("cap_net_raw=ep").hex() == "01000002" + "00200000" + "00000000" * 3
    assert encoded("cap_bpf=p cap_chown=i").hex() == "00000002" + "00000000" + "01000000" + "80000000" + "00000000"
    assert encoded("") == encoded("=") == b""


@pytest.mark.parametrize(
    "text", ["cap_net_raw", "cap_nothing=ep", "net_raw=ep", "cap_net_raw=x", "cap_a,=p", "ep", "é=", "cap_kill=EP"]
)
def test_what_is_no_capability(text):
    with pytest.raises(BuildFailed, match="no capabilities"):
        encoded(text)


def test_what_the_kernel_cannot_keep():
    with pytest.raises(BuildFailed, match="no capabilities"):
        encoded("cap_net_raw=ep cap_net_admin=p")


@given(st.lists(st.sampled_from(["cap_net_raw", "cap_bpf", ",", "=", "+", "-", "e", "i", "p", " ", "all"])))
def test_any_text_is_encoded_or_refused(words):
    with contextlib.suppress(BuildFailed):
        assert len(encoded("".join(words))) in {0, 20}


@pytest.mark.real
@pytest.mark.parametrize("text", TEXTS)
def test_it_is_what_setcap_writes(text, tmp_path):
    import subprocess

    need_root()
    file = tmp_path / "file"
    file.write_bytes(b"")
    subprocess.run([need("setcap"), text, file], check=True)
    assert encoded(text) == os.getxattr(file, "security.capability")
