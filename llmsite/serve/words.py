"""Every sentence that the terminal says, in English and Chinese. Standard library only: the installer speaks, too."""

from __future__ import annotations

import os
import sys
from functools import cache
from typing import Any, Literal

Language = Literal["en", "zh"]

# key: (English, Chinese)
SENTENCES: dict[str, tuple[str, str]] = {
    # --- what stops it ---------------------------------------------------------------------------------------------------------
    "port_taken": (
        "Port {port} is taken{who}. Stop that program, or choose another port: --port {other}",
        "端口 {port} 已被占用{who}。请先停止那个程序，或换一个端口：--port {other}",
    ),
    "by_program": (" by {name} (process {pid})", "（{name}，进程 {pid}）"),
    "by_pid": (" (process {pid})", "（进程 {pid}）"),
    "port_forbidden": (
        "Listening on port {port} is not permitted: the system keeps it for administrators. Choose one above 1023: --port 8000",
        "没有权限监听端口 {port}：系统将它保留给管理员。请选择大于 1023 的端口：--port 8000",
    ),
    "no_such_address": (
        "This computer has no address {host}. Leave --host out to listen on all of its addresses.",
        "本机没有地址 {host}。去掉 --host 即可监听本机的所有地址。",
    ),
    "locked": (
        "Another server{who} uses the data in {path}. Stop it first, or start this one with other data: --data FOLDER",
        "另一个服务{who}正在使用 {path} 中的数据。请先停止它，或换一个数据文件夹：--data 文件夹",
    ),
    "database_in_use": (
        "{who} uses the database {place}. Stop that first, or give this one a database of its own: DATABASE_URL",
        "{who}正在使用数据库 {place}。请先停止它，或为本服务另设数据库：DATABASE_URL",
    ),
    "used_by.where": (" ({where})", "（{where}）"),
    "used_by.server": ("A server of one process{where}", "一个单进程服务{where}"),
    "used_by.parent": ("A server of several processes (serve --workers){where}", "一个多进程服务（serve --workers）{where}"),
    "used_by.engine": ("The engine process of a server of several processes{where}", "一个多进程服务的引擎进程{where}"),
    "used_by.web": ("A web process of a server of several processes{where}", "一个多进程服务的网页进程{where}"),
    "used_by.move": ("move_database{where}", "move_database{where}"),
    "used_by.other": ("Another program", "另一个程序"),
    "disk_full": (
        "The disk is full: {path} cannot be written. Free some space and start again.",
        "磁盘已满：无法写入 {path}。请清理空间后重新启动。",
    ),
    "database_disk_full": (
        "The disk is full: the database cannot be written. Free some space and start again.",
        "磁盘已满：无法写入数据库。请清理空间后重新启动。",
    ),
    "no_permission": (
        "No permission for {path}. Change its owner or its rights, or use another folder: --data FOLDER",
        "没有权限访问 {path}。请修改其所有者或权限，或换一个文件夹：--data 文件夹",
    ),
    "database_no_permission": (
        "No permission to write the database. Change the rights of the data folder, or use another one: --data FOLDER",
        "没有权限写入数据库。请修改数据文件夹的权限，或换一个：--data 文件夹",
    ),
    "database": ("The database cannot be used: {reason}", "数据库无法使用：{reason}"),
    "database_newer": (
        "The database was written by a newer version of this program (it has {migration}). Update the program, or use other data: --data FOLDER",
        "数据库由本程序的更新版本写入（包含 {migration}）。请更新程序，或换一个数据文件夹：--data 文件夹",
    ),
    "memory": (
        "There is too little memory. Close other programs, or use a smaller model: --model NAME",
        "内存不足。请关闭其他程序，或换一个更小的模型：--model 名称",
    ),
    "somewhere": ("a file", "某个文件"),
    "bug": ("Something went wrong that should not: {error}. The log says more: {log}", "发生了意外错误：{error}。详情见日志：{log}"),
    # --- while it starts -------------------------------------------------------------------------------------------------------
    "database_made": ("Made a new database.", "已创建新数据库。"),
    "database_updated": ("Brought the database up to date ({count} changes).", "数据库已更新（{count} 项变更）。"),
    "loading": ("Loading {model}", "正在加载 {model}"),
    "loaded": ("Loaded {model} in {seconds} s.", "{model} 加载完成，用时 {seconds} 秒。"),
    "left": ("about {seconds} s more", "约剩 {seconds} 秒"),
    # --- when it is ready ------------------------------------------------------------------------------------------------------
    "ready": ("llmsite is ready", "llmsite 已就绪"),
    "after": ("after {seconds} s", "用时 {seconds} 秒"),
    "model": ("Model", "模型"),
    "compiler_missing": (
        "It would answer several times faster with a C compiler: install gcc or clang and start again.",
        "装上 C 编译器（gcc 或 clang）后重新启动，回答会快好几倍。",
    ),
    "compiler_failed": (
        "It answers several times slower than it could: {reason}. Start again; if it stays so, install another compiler (gcc or clang).",
        "现在的回答比本来能做到的慢好几倍：{reason}。请重新启动；若仍如此，请换一个编译器（gcc 或 clang）。",
    ),
    "context": ("{tokens} tokens of context", "上下文 {tokens} 个词元"),
    "phones": ("Phones", "手机"),
    "here": ("Here", "本机"),
    "pairing": ("Pairing", "配对"),
    "pairing_how": ("{url} (on this computer: a larger QR code, the paired phones, the Wi-Fi)", "{url}（在本机打开：大二维码、已配对的手机、Wi-Fi）"),
    "name": ("Name", "名称"),
    "name_how": (
        "{url} (stays the same when the address changes; for phones that know .local names)",
        "{url}（地址变了它也不变；手机支持 .local 名称时可用）",
    ),
    "client": ("Client", "客户端"),
    "client_how": ("{url} (the phone client; a phone that pairs opens it)", "{url}（手机客户端，手机配对后打开的就是它）"),
    "data": ("Data", "数据"),
    "admin": ("Owner", "管理"),
    "admin_none": ("{url} (make your account: python manage.py createsuperuser)", "{url}（创建账号：python manage.py createsuperuser）"),
    "stop": ("Stop", "停止"),
    "stop_how": ("Ctrl-C", "Ctrl-C"),
    "kind.hotspot": ("hotspot", "热点"),
    "kind.lan": ("", ""),
    "kind.virtual": ("virtual, probably not for phones", "虚拟网络，手机一般无法访问"),
    "kind.named": ("as you named it", "由 --host 指定"),
    "no_lan": (
        "No phone can reach this computer: it is in no network. Switch on its hotspot, or join the Wi-Fi that the phones use; "
        "the address appears here by itself.",
        "手机还无法访问：本机没有接入任何网络。请打开本机的热点，或连接手机所在的 Wi-Fi；地址会自动显示在这里。",
    ),
    "only_here": (
        "Only this computer can reach it, because it listens on {host} alone. For phones, leave --host out.",
        "只有本机可以访问，因为它只监听 {host}。要让手机访问，请去掉 --host。",
    ),
    "unanswered": (
        "Left out: {interface}. A connection to its address did not get through; a firewall may be in the way.",
        "未列出 {interface}：到其地址的连接不通，可能被防火墙拦截。",
    ),
    "firewall.windows": (
        "If a phone cannot open it: allow Python in Windows Defender Firewall, for private networks.",
        "如果手机打不开：请在 Windows Defender 防火墙中允许 Python 通过专用网络。",
    ),
    "firewall.darwin": (
        "If a phone cannot open it: allow Python's incoming connections in System Settings › Network › Firewall.",
        "如果手机打不开：请在“系统设置 › 网络 › 防火墙”中允许 Python 接收传入连接。",
    ),
    "firewall.linux": (
        "If a phone cannot open it: open the firewall (sudo ufw allow {port}/tcp, or sudo firewall-cmd --add-port={port}/tcp).",
        "如果手机打不开：请放行防火墙端口（sudo ufw allow {port}/tcp，或 sudo firewall-cmd --add-port={port}/tcp）。",
    ),
    "open_warning": (
        "Open: everyone who can reach this address may chat, and all of them share one history. Leave --open out to pair phones one by one.",
        "开放模式：能访问此地址的任何人都可以聊天，并共用同一份记录。去掉 --open 可逐台配对手机。",
    ),
    "scan_open": ("Scan it with the phone's camera.", "用手机相机扫描。"),
    "scan_pair": (
        "Scan it with the phone's camera. It lets one phone in, within {minutes} minutes.",
        "用手机相机扫描。仅限一台手机，{minutes} 分钟内有效。",
    ),
    "enter_for_code": ("For another phone, press Enter.", "要再配对一台手机，请按回车。"),
    "paired": ("Paired: {name}", "已配对：{name}"),
    "addresses_changed": ("This computer's addresses have changed:", "本机地址已变化："),
    "stopping": ("Stopping; answers that are running are saved.", "正在停止；进行中的回答会被保存。"),
    # --- several processes -----------------------------------------------------------------------------------------------------
    "scale.windows": (
        "Several processes need Linux or macOS. Leave --workers out: one process serves a whole classroom.",
        "多进程仅支持 Linux 和 macOS。请去掉 --workers：单个进程足以服务整个教室。",
    ),
    "scale.no_redis_url": (
        "Several processes meet in Redis: set REDIS_URL, for instance redis://127.0.0.1:6379/0 (or url under [redis] in llmsite.toml).",
        "多进程通过 Redis 通信：请设置 REDIS_URL，例如 redis://127.0.0.1:6379/0（或在 llmsite.toml 的 [redis] 中设置 url）。",
    ),
    "scale.bad_redis_url": (
        "REDIS_URL is no address of Redis. Expected redis://HOST:PORT/NUMBER, rediss:// or unix://.",
        "REDIS_URL 不是有效的 Redis 地址。格式应为 redis://主机:端口/编号，或 rediss://、unix://。",
    ),
    "scale.redis_away": ("Redis at {place} cannot be used: {reason}", "无法使用 {place} 上的 Redis：{reason}"),
    "scale.redis_gone": ("Redis has gone away: {reason}", "Redis 已断开：{reason}"),
    "scale.sqlite": (
        "Several processes need PostgreSQL, and this is SQLite: set DATABASE_URL, for instance postgres://USER@127.0.0.1/llmsite.",
        "多进程需要 PostgreSQL，而当前是 SQLite：请设置 DATABASE_URL，例如 postgres://用户@127.0.0.1/llmsite。",
    ),
    "scale.no_package": (
        "Several processes need more Python packages ({names}): python -m pip install -r {file}",
        "多进程需要更多 Python 组件（{names}）：python -m pip install -r {file}",
    ),
    "scale.engine_ready": ("The engine process is ready.", "引擎进程已就绪。"),
    "scale.engine_waits": (
        "Another engine process is running with this Redis; this one takes its place when it ends.",
        "此 Redis 上已有另一个引擎进程在运行；它结束后，本进程会接替。",
    ),
    "scale.engine_ended": ("The engine process ended before it was ready (exit code {code}).", "引擎进程在就绪前退出（退出码 {code}）。"),
    "scale.died": ("The process “{name}” has ended (exit code {code}) and is started again.", "进程“{name}”已退出（退出码 {code}），正在重新启动。"),
    "scale.dies_again": (
        "The process “{name}” has ended {times} times in a row (exit code {code}). It is started again in {seconds} s; the log says why it ends.",
        "进程“{name}”已连续退出 {times} 次（退出码 {code}）。{seconds} 秒后重新启动；退出原因见日志。",
    ),
    # --- another database ------------------------------------------------------------------------------------------------------
    "move.begins": ("Copying {source} to {target}: table, rows there, rows here.", "正在将 {source} 复制到 {target}：表名、原有行数、已复制行数。"),
    "move.done": (
        "Copied {rows} rows in {seconds} s; the counts are equal. Set DATABASE_URL to the new database and start the server. "
        "The old one is as it was.",
        "已复制 {rows} 行，用时 {seconds} 秒，两边行数一致。请把 DATABASE_URL 设为新数据库后启动服务。原数据库保持不变。",
    ),
    "move.url": (
        "--to must be an address like postgres://USER@HOST/NAME, or the word sqlite.",
        "--to 应为 postgres://用户@主机/数据库 这样的地址，或 sqlite 一词。",
    ),
    "move.same": ("Both are the same database. Expected another one as --to.", "两者是同一个数据库。--to 应为另一个数据库。"),
    "move.old": (
        "{path} was written by an older version of this program. Start the server once, which brings it up to date, stop it, and move then.",
        "{path} 由本程序的旧版本写入。请先启动一次服务以更新数据库，停止后再迁移。",
    ),
    "move.foreign": (
        "{path} holds something else: a table {table}. Expected an empty database. Nothing was written.",
        "{path} 中有其他内容：表 {table}。应为空数据库。没有写入任何内容。",
    ),
    "move.not_empty": (
        "{path} is not empty: there are rows in {table}. Expected an empty database. Nothing was written.",
        "{path} 不是空的：表 {table} 中已有数据。应为空数据库。没有写入任何内容。",
    ),
    "move.counts": (
        "{table} has {there} rows there and {here} here. Nothing was kept of the copy.",
        "表 {table} 原有 {there} 行，复制后为 {here} 行。复制的内容没有保留。",
    ),
    "move.row": (
        "A row of {table} was refused: {reason} Nothing was kept of the copy.",
        "表 {table} 中有一行被拒绝：{reason} 复制的内容没有保留。",
    ),
    "backup.done": (
        "{path}: {megabytes} MB, whole and checked: {conversation} conversations, {message} messages, {run} answers on record.",
        "{path}：{megabytes} MB，完整且已检查：{conversation} 个对话、{message} 条消息、{run} 条回答记录。",
    ),
    "backup.there": ("{path} is there already. Expected a new name.", "{path} 已存在。请换一个新名字。"),
    "backup.broken": ("{path} is no whole database of this program: {reason}", "{path} 不是本程序的完整数据库：{reason}"),
    "backup.restored": (
        "{path} is the database again: {conversation} conversations, {message} messages, {run} answers on record.",
        "{path} 已恢复为数据库：{conversation} 个对话、{message} 条消息、{run} 条回答记录。",
    ),
    "backup.kept": ("What was there before is kept as {path}.", "之前的数据库保留为 {path}。"),
    "backup.postgres": (
        "This is for SQLite. The database here is PostgreSQL: use pg_dump and pg_restore, as docs/scaling.md says.",
        "此命令用于 SQLite。当前数据库是 PostgreSQL：请按 docs/scaling.md 使用 pg_dump 和 pg_restore。",
    ),
    # --- the installation ------------------------------------------------------------------------------------------------------
    "install.old_python": (
        "Python {wanted} or newer is needed, and this is {have}. Install a newer one and start again with it.",
        "需要 Python {wanted} 或更高版本，当前为 {have}。请安装新版本后重新启动。",
    ),
    "install.first": (
        "First start: installing what the server needs into {venv} (once; some minutes and some hundred megabytes).",
        "首次启动：正在将所需组件安装到 {venv}（仅此一次，需要几分钟和数百 MB）。",
    ),
    "install.changed": ("{file} is new or has changed: bringing {venv} up to date.", "{file} 是新的或有变化：正在更新 {venv}。"),
    "install.again": ("The last installation was interrupted: beginning again.", "上次安装被中断：重新开始。"),
    "install.wait": ("Another start is installing; waiting for it.", "另一个启动正在安装，等待中。"),
    "install.venv": ("making the environment", "创建环境"),
    "install.downloading": ("downloading {file} ({size})", "下载 {file}（{size}）"),
    "install.unpacking": ("unpacking (this takes a minute)", "解压安装（约一分钟）"),
    "install.done": ("Installed in {seconds} s.", "安装完成，用时 {seconds} 秒。"),
    "install.no_venv": (
        "Python's venv module is missing. On Debian and Ubuntu: sudo apt install python{version}-venv — then start again.",
        "缺少 Python 的 venv 模块。在 Debian 和 Ubuntu 上：sudo apt install python{version}-venv，然后重新启动。",
    ),
    "install.venv_failed": ("The environment {venv} could not be made: {reason}", "无法创建环境 {venv}：{reason}"),
    "install.no_network": (
        "The packages could not be downloaded: no connection. Connect this computer to the internet for the first start (or set PIP_INDEX_URL "
        "to a mirror) and start again; what is there already is kept.",
        "无法下载组件：没有网络连接。首次启动需要联网（或将 PIP_INDEX_URL 设为镜像），然后重新启动；已下载的内容会保留。",
    ),
    "install.failed": ("The installation failed. The last lines of {log}:", "安装失败。{log} 的最后几行："),
    "install.stopped": ("Stopped. The next start installs the rest.", "已停止。下次启动会继续安装。"),
}


@cache
def language() -> Language:
    """Chinese where the system speaks it, else English."""
    for variable in ("LC_ALL", "LC_MESSAGES", "LANG"):  # in the order that POSIX gives them
        if said := os.environ.get(variable):
            return "zh" if said.lower().startswith("zh") else "en"
    return "zh" if _windows_speaks_chinese() else "en"


def say(key: str, *, default: str | None = None, **values: Any) -> str:
    """The sentence of that name in the person's language. `default` is for names that the table may lack."""
    if key not in SENTENCES and default is not None:
        return default
    english, chinese = SENTENCES[key]
    return (chinese if language() == "zh" else english).format(**values)


def _windows_speaks_chinese() -> bool:
    """Windows sets no LANG; the primary language of its user interface is the low ten bits, and 4 is Chinese."""
    if sys.platform != "win32":
        return False
    import ctypes

    return bool(ctypes.windll.kernel32.GetUserDefaultUILanguage() & 0x3FF == 4)
