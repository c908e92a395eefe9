"""UEFI device paths as text: which file, on which partition of which disk.

Nodes that rarely say anything of interest are given by their numbers.
Source: UEFI Specification 2.10, section 10.3; text forms after section 10.6.
"""

from collections.abc import Callable

from hw.errors import StructureError
from hw.log_text import guid, printable, utf16
from hw.reader import Reader

MAX_PATH = 4096  # bytes
_MAX_NODES = 64
_END = 0x7F
_ENTIRE = 0xFF


def path_text(data: bytes) -> str:
    r"""A path such as ``PciRoot(0)/Pci(1f,2)/HD(1,...)/\EFI\BOOT\BOOTX64.EFI``.

    Raises:
        StructureError: A node is cut short, or the path has no end or more than one.
    """
    reader = Reader(data, "device path", MAX_PATH, "little")
    nodes: list[str] = []
    while len(nodes) < _MAX_NODES:
        kind, sub, size = reader.uint(1), reader.uint(1), reader.uint(2)
        if size < 4:
            raise StructureError(f"device path node of {size} bytes")
        body = reader.take(size - 4)
        if (kind, sub) == (_END, _ENTIRE):
            reader.end()
            return "/".join(nodes)
        nodes.append(_node(kind, sub, body))
    raise StructureError(f"device path of more than {_MAX_NODES} nodes")


def _node(kind: int, sub: int, body: bytes) -> str:
    if kind == _END:
        return ","  # another path follows
    shown = _NODES.get((kind, sub))
    if shown is None:
        return f"Path({kind},{sub:#04x},{body[:32].hex()})"
    reader = Reader(body, "device path node", MAX_PATH, "little")
    text = shown(reader)
    reader.end()
    return text


def _pci(node: Reader) -> str:
    function, device = node.uint(1), node.uint(1)
    return f"Pci({device:x},{function:x})"


def _acpi(node: Reader) -> str:
    hid, uid = node.uint(4), node.uint(4)
    if hid in (0x0A0341D0, 0x0A0841D0):  # PNP0A03, PNP0A08
        return f"PciRoot({uid:x})"
    return f"Acpi({hid:#010x},{uid:x})"


def _memory(node: Reader) -> str:
    kind, start, end = node.uint(4), node.uint(8), node.uint(8)
    return f"MemoryMapped({kind},{start:#x},{end:#x})"


def _usb(node: Reader) -> str:
    port, interface = node.uint(1), node.uint(1)
    return f"USB({port:x},{interface:x})"


def _sata(node: Reader) -> str:
    port, multiplier, lun = node.uint(2), node.uint(2), node.uint(2)
    return f"Sata({port:x},{multiplier:x},{lun:x})"


def _scsi(node: Reader) -> str:
    target, lun = node.uint(2), node.uint(2)
    return f"Scsi({target:x},{lun:x})"


def _nvme(node: Reader) -> str:
    namespace, eui = node.uint(4), node.take(8)
    return f"NVMe({namespace:x},{eui.hex('-')})"


def _mac(node: Reader) -> str:
    address, kind = node.take(32), node.uint(1)
    return f"MAC({address[:6].hex()},{kind:x})"


def _hard_drive(node: Reader) -> str:
    number, start, size = node.uint(4), node.uint(8), node.uint(8)
    signature, _, kind = node.take(16), node.uint(1), node.uint(1)
    name = guid(signature) if kind == 2 else signature[:4][::-1].hex()
    return f"HD({number},{name},{start:#x},{size:#x})"


def _file(node: Reader) -> str:
    return printable(utf16(node.take(node.left)))


def _guid_of(name: str) -> Callable[[Reader], str]:
    return lambda node: f"{name}({guid(node.take(16))})"


def _vendor(name: str) -> Callable[[Reader], str]:
    def shown(node: Reader) -> str:
        owner, data = guid(node.take(16)), node.take(node.left)
        return f"{name}({owner},{data[:32].hex()})" if data else f"{name}({owner})"

    return shown


_NODES: dict[tuple[int, int], Callable[[Reader], str]] = {
    (1, 1): _pci,
    (1, 3): _memory,
    (1, 4): _vendor("VenHw"),
    (2, 1): _acpi,
    (3, 2): _scsi,
    (3, 5): _usb,
    (3, 10): _vendor("VenMsg"),
    (3, 11): _mac,
    (3, 18): _sata,
    (3, 23): _nvme,
    (4, 1): _hard_drive,
    (4, 3): _vendor("VenMedia"),
    (4, 4): _file,
    (4, 6): _guid_of("FvFile"),
    (4, 7): _guid_of("Fv"),
}
