"""Everything that /pair/ says, in English and Chinese."""

from __future__ import annotations

from datetime import datetime

from django.utils import timezone
from django.utils.translation import get_language

# key: (English, Chinese)
SENTENCES: dict[str, tuple[str, str]] = {
    "to_chat": ("Open the chat", "打开聊天"),
    # --- the code, on the computer and on a paired phone -------------------------------------------------------------------------
    "pair_title": ("Pair a phone", "配对手机"),
    "pair_lead": (
        "It can then chat with the model on this computer. Each person has conversations of their own.",
        "配对后，手机就能和这台电脑上的模型聊天。每个人只看得到自己的对话。",
    ),
    "further_title": ("Another device of {name}", "为“{name}”再配对一台设备"),
    "further_lead": ("It will show the same conversations.", "新设备会看到同样的对话。"),
    "further_other": ("Pair a new person instead", "改为配对新的人"),
    "open_title": ("Open it on the phone", "用手机打开"),
    "open_lead": (
        "The server runs open: whoever reaches this address may chat, and all share one history.",
        "服务以开放模式运行：能访问此地址的任何人都可以聊天，并共用同一份记录。",
    ),
    "step_join": (
        "The phone joins this computer's hotspot, or the Wi-Fi that this computer is in.",
        "让手机连上这台电脑的热点，或这台电脑所在的 Wi-Fi。",
    ),
    "step_scan": ("Scan the code with the phone's camera and open the address.", "用手机相机扫描二维码，打开其中的网址。"),
    "step_pair": ("Press Pair.", "点“配对”。"),
    "by_hand": ("Without a camera, open this address and type the code:", "没有相机时，打开这个地址，输入配对码："),
    "code": ("Code", "配对码"),
    "valid": ("For one device, {minutes} minutes", "仅限一台设备，{minutes} 分钟内有效"),
    "valid_left": ("For one device, another {time}", "仅限一台设备，剩余 {time}"),
    "new_code": ("New code", "换一个码"),
    "expired": ("The code was too old; this is a new one.", "旧的配对码已过期，已换成新的。"),
    "moved": ("The addresses have changed; this is the new code.", "可用的地址有变化，二维码已更新。"),
    "lost": ("The server does not answer. The page goes on by itself when it is back.", "服务没有响应。恢复后本页会自动继续。"),
    "paired_now": ("Paired: {name}", "已配对：{name}"),
    "address_named": ("The address that you named", "你指定的地址"),
    "addresses": ("Addresses that were reached just now", "刚刚验证可用的地址"),
    "qr_of": ("QR code for {address}", "{address} 的二维码"),
    "kind.hotspot": ("hotspot", "热点"),
    "kind.lan": ("Wi-Fi or cable", "Wi-Fi 或有线网络"),
    "kind.virtual": ("virtual network, probably not for phones", "虚拟网络，手机一般无法访问"),
    "kind.named": ("as you named it", "由你指定"),
    "kind.name": ("name: stays when the address changes; most newer phones know it", "名称：地址变了它也不变，多数新手机支持"),
    "nowhere_title": ("No phone can reach this computer yet", "手机还连不上"),
    "nowhere": (
        "Switch on the computer's hotspot, or join the Wi-Fi that the phones use. The code appears here by itself. "
        "If the server was started with --host, leave that out.",
        "请打开电脑的热点，或让电脑连上手机所在的 Wi-Fi，二维码会自动出现在这里。如果启动时用了 --host，请去掉它。",
    ),
    # --- it does not work --------------------------------------------------------------------------------------------------------
    "trouble_title": ("The phone cannot open it", "手机打不开"),
    "trouble_network": (
        "Phone and computer must be in the same network. A phone with mobile data on may leave a Wi-Fi that has no internet: switch mobile data off.",
        "手机和电脑必须在同一网络。如果 Wi-Fi 不能上网，手机可能会改走移动数据：请先关闭移动数据。",
    ),
    "trouble_firewall": (
        "The computer's firewall must let port {port} in: on Windows allow Python for private networks, on macOS allow incoming connections "
        "for Python, on Linux open {port}/tcp.",
        "电脑的防火墙要放行端口 {port}：Windows 请允许 Python 通过专用网络，macOS 请允许 Python 接收传入连接，Linux 请放行 {port}/tcp。",
    ),
    "trouble_guest": (
        "Guest, hotel and school networks often keep devices apart. Then use a hotspot, of this computer or of the phone.",
        "访客、酒店和校园 Wi-Fi 常会隔离设备。这时请改用热点，电脑或手机开的都行。",
    ),
    "trouble_vpn": (
        "A VPN on the phone or on the computer can take the way to this address. Switch it off while pairing.",
        "手机或电脑上的 VPN 可能会把这个地址的流量带走，请暂时关闭。",
    ),
    "trouble_changed": (
        "The address has changed and the phone is a stranger again? Browsers know a pairing by the address. Under “Paired devices”, choose "
        "“Another device” beside its person, and the conversations are back.",
        "地址变了，手机又要配对？浏览器按地址记住配对。请在“已配对的设备”里找到这个人，选择“再配对一台设备”，原来的对话就会回来。",
    ),
    # --- the Wi-Fi ---------------------------------------------------------------------------------------------------------------
    "wifi_title": ("A code that joins the Wi-Fi", "扫码连 Wi-Fi"),
    "wifi_lead": (
        "For phones that are not in this network yet. Name and password go into the picture only; they are not stored.",
        "给还没连上网络的手机用。名称和密码只用来生成图片，不会保存。",
    ),
    "wifi_name": ("Name of the Wi-Fi or hotspot", "Wi-Fi 或热点名称"),
    "wifi_security": ("Security", "加密方式"),
    "wifi_wpa": ("WPA (password)", "WPA（有密码）"),
    "wifi_none": ("none", "无"),
    "wifi_password": ("Password", "密码"),
    "wifi_show": ("Show it", "显示密码"),
    "wifi_hidden": ("The network hides its name", "网络名称已隐藏"),
    "wifi_make": ("Make the code", "生成二维码"),
    "wifi_done": ("Scan it to join {name}.", "扫码即可加入 {name}。"),
    "wifi_qr": ("QR code that joins the Wi-Fi {name}", "加入 Wi-Fi {name} 的二维码"),
    "wifi_gone": (
        "It shows the password to whoever reads it. It is gone when this page is closed.",
        "能看到它的人就能得到密码。关闭本页后不再保留。",
    ),
    "wifi_name_length": ("A Wi-Fi's name has 1 to 32 characters, Chinese ones counting three.", "Wi-Fi 名称为 1 到 32 个字符，一个汉字算三个。"),
    "wifi_password_length": ("A WPA password has 8 to 63 characters.", "WPA 密码为 8 到 63 个字符。"),
    # --- devices -----------------------------------------------------------------------------------------------------------------
    "devices_title": ("Paired devices", "已配对的设备"),
    "own_devices_title": ("Your devices", "你的设备"),
    "devices_none": ("None yet.", "还没有。"),
    "host_person": ("This computer's owner", "这台电脑的主人"),
    "nameless": ("without a name", "未命名"),
    "add_device": ("Another device", "再配对一台设备"),
    "add_device_of": ("Another device of {name}", "为“{name}”再配对一台设备"),
    "this_device": ("this one", "本机"),
    "seen": ("seen {when}", "{when}用过"),
    "never_seen": ("paired {when}", "{when}配对"),
    "rename": ("Rename", "改名"),
    "rename_of": ("Rename {name}", "给“{name}”改名"),
    "new_name": ("New name of {name}", "“{name}”的新名称"),
    "save": ("Save", "保存"),
    "revoke": ("Remove", "移除"),
    "revoke_of": ("Remove {name}", "移除“{name}”"),
    "revoke_sure": (
        "{name} is shut out at once and can come back only by pairing. Its conversations stay.",
        "“{name}”会立即断开，要重新配对才能使用。它的对话会保留。",
    ),
    "revoke_yes": ("Remove {name}", "移除“{name}”"),
    "former": ("Without a device now ({count})", "目前没有设备（{count}）"),
    "no_name": ("A device needs a name.", "设备需要一个名称。"),
    "no_device": ("There is no such device.", "没有这台设备。"),
    # --- keys --------------------------------------------------------------------------------------------------------------------
    "keys_title": ("Keys for other programs", "给其他程序用的密钥"),
    "keys_lead": (
        "A program that speaks OpenAI's protocol can use the models on this computer, at {address}, with a key. A key opens nothing else: "
        "it does not show what was said in the chat.",
        "支持 OpenAI 协议的程序可以凭密钥使用这台电脑上的模型，地址是 {address}。密钥没有其他权限，看不到聊天内容。",
    ),
    "keys_open": (
        "A program that speaks OpenAI's protocol can use the models on this computer, at {address}. While the server runs open, no key is needed.",
        "支持 OpenAI 协议的程序可以使用这台电脑上的模型，地址是 {address}。服务处于开放模式时不需要密钥。",
    ),
    "key_new": ("New key", "新建密钥"),
    "key_name": ("What it is for", "用途"),
    "key_make": ("Make the key", "创建密钥"),
    "key_used": ("used {when}", "{when}用过"),
    "key_unused": ("made {when}, not used yet", "{when}创建，还没用过"),
    "key_revoke_sure": (
        "{name} does not work from then on, and what it has under way ends.",
        "移除后“{name}”立即失效，正在进行的调用也会结束。",
    ),
    "key_made_title": ("The key {name}", "密钥“{name}”"),
    "key_made": (
        "Copy it now: it is shown this once. The computer keeps only a hash of it.",
        "请现在复制：密钥只显示这一次，电脑上只保存它的哈希值。",
    ),
    "key_address": ("The address that goes with it (base URL):", "与它配套的地址（base URL）："),
    "key_secret": (
        "Whoever has it can use the models in your name. Keep it out of files that others read, and remove it when it is not needed any more.",
        "拿到密钥的人就能以你的名义使用模型。不要把它写进别人能看到的文件，不再需要时请移除。",
    ),
    "key_stored": ("I have copied it", "已复制"),
    "too_many_keys": ("There are {limit} keys already. Remove one first.", "已有 {limit} 个密钥，请先移除一个。"),
    "nobody_to_pair": ("While the server runs open, no key is needed.", "服务处于开放模式时不需要密钥。"),
    # --- a phone -----------------------------------------------------------------------------------------------------------------
    "is_paired_title": ("Paired as {name}", "已配对：{name}"),
    "is_paired": ("This browser may chat with the model on the computer.", "这个浏览器可以和电脑上的模型聊天。"),
    "another_own": ("Pair another device of mine", "配对我的另一台设备"),
    "leave": ("Unpair this browser", "取消这个浏览器的配对"),
    "leave_sure": (
        "This browser is shut out and must be paired again. The conversations stay on the computer.",
        "这个浏览器会断开，需要重新配对。对话仍保留在电脑上。",
    ),
    "leave_yes": ("Unpair", "取消配对"),
    "stranger_title": ("Not paired", "还没有配对"),
    "stranger": (
        "Scan the QR code that the computer shows: in the terminal where the server was started, or on its page {address}.",
        "请扫描电脑上的二维码：在启动服务的终端里，或电脑浏览器的 {address} 页面上。",
    ),
    "stranger_again": (
        "Paired before, and the address has changed? On the computer, choose “Another device” beside your name: your conversations come back.",
        "以前配对过，只是地址变了？请在电脑的配对页面上找到你的名字，选择“再配对一台设备”，对话就会回来。",
    ),
    "type_code": ("Or type the code", "或输入配对码"),
    "confirm_title": ("Pair with this computer", "与这台电脑配对"),
    "confirm": ("Then this browser can chat with the model on the computer.", "配对后，这个浏览器就能和电脑上的模型聊天。"),
    "confirm_name": ("What this device is called", "这台设备的名称"),
    "confirm_name_why": ("The owner of the computer sees it.", "电脑的主人会看到它。"),
    "pair": ("Pair", "配对"),
    "already_title": ("Already paired as {name}", "已经配对：{name}"),
    "already": ("There is nothing more to do.", "无需再次配对。"),
    "anew": ("Pair anew with this code", "用这个码重新配对"),
    "anew_why": (
        "Then this browser belongs to whom the code is for. With a new person's code it begins without conversations.",
        "之后这个浏览器归这个码所属的人使用。如果是新人的码，对话会从头开始。",
    ),
    "pair_anew": ("Pair anew", "重新配对"),
    "refused_title": ("This code does not work", "这个配对码无效"),
    "refused": ("A code works once and for ten minutes. Get a new one on the computer.", "每个码只能用一次，十分钟内有效。请在电脑上取一个新的。"),
    "tries_title": ("Too many tries", "尝试次数过多"),
    "tries": ("Wait {seconds} seconds before the next one.", "请等 {seconds} 秒再试。"),
    "open_for_all": ("No pairing is needed: the server runs open.", "无需配对：服务以开放模式运行。"),
    # --- when --------------------------------------------------------------------------------------------------------------------
    "ago.now": ("just now", "刚刚"),
    "ago.minutes": ("{count} min ago", "{count} 分钟前"),
    "ago.hours": ("{count} h ago", "{count} 小时前"),
    "ago.days": ("{count} d ago", "{count} 天前"),
}
STEPS = ((86_400, "ago.days"), (3_600, "ago.hours"), (60, "ago.minutes"))


def chinese() -> bool:
    return (get_language() or "").lower().startswith("zh")


def say(key: str, **values: object) -> str:
    """The sentence of that name in the reader's language."""
    return SENTENCES[key][chinese()].format(**values)


def ago(when: datetime | None) -> str:
    """How long it is past, in one unit; "" for never."""
    if when is None:
        return ""
    seconds = (timezone.now() - when).total_seconds()
    return next((say(key, count=int(seconds // unit)) for unit, key in STEPS if seconds >= unit), say("ago.now"))
