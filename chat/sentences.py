"""What a person reads when something was refused, failed or was done: one sentence a code, in English and Chinese.

An engine's errors carry their own English sentence (inference/errors.py) and are listed here only for the translation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

ENGLISH: Mapping[str, str] = {
    "internal": "Something went wrong on the computer. Its log has the details.",
    "not_paired": "This phone is not paired. Scan the QR code that the computer shows.",
    "too_fast": "Too many messages at once: {limit} are waiting already. Send this one again in a moment.",
    "too_many_messages": "More than {limit} messages in a minute from this device. It can go on in {seconds} s.",
    "too_much_today": "This device has written as much as one device may in a day. It can go on in {seconds} s.",
    "too_many_answers": "{limit} answers for this device are waiting or being written. Send this again when one of them is done.",
    "too_many_sockets": "This device has {limit} connections open already. Close some of its pages.",
    "too_many_requests": "Too many requests from this device. It can go on in {seconds} s.",
    "too_many_pairings": "Too many attempts to pair. Try again in {seconds} s.",
    "too_many_logins": "Too many wrong passwords for this account. Try again in {minutes} minutes.",
    "no_run": "There is no such answer.",
    "no_conversation": "There is no such conversation.",
    "no_message": "There is no such message here.",
    "no_persona": "There is no such persona any more.",
    "no_device": "There is no such device.",
    "no_title": "A title needs at least one character.",
    "no_name": "A name needs at least one character.",
    "only_answers_are_rated": "Only answers can be rated.",
    "persona_name_taken": "There is a persona called {name} already.",
    "host_only": "Only the browser of the computer itself may do this.",
    "nobody_to_pair": "Everybody may chat here without pairing, so there is no code to give.",
    "code_refused": "This code is not valid any more. Ask for a new one.",
    "foreign_origin": "A page from {origin} may not change anything here.",
    "not_found": "There is nothing at this address.",
    "method_not_allowed": "This address does not take {method}.",
    "bad_request": "The request is malformed.",
    "bad_cursor": "This cursor is none of ours. Begin at the first page, without one.",
    "bad_json": "The body is not JSON.",
    "bad_text": "The text holds characters that cannot be stored: a NUL, or half of a surrogate pair.",
    "not_json": "Expected a body of the type application/json, got {got}.",
    "too_large": "This is too large: at most {limit}.",
    "not_your_message": "Only one's own messages can be edited.",
    "nothing_to_answer": "There is no question here that could be answered again.",
    "nothing_to_continue": "This answer is complete; there is nothing to continue.",
    "still_running": "This answer is still being written.",
    "storage": "The answer could not be stored: {reason}",
    "stopping": "The server is being stopped. Send this again when it is back.",
    "system_set": "The system prompt is set and holds from here on.",
    "system_cleared": "The system prompt is removed.",
}

CHINESE: Mapping[str, str] = {
    "internal": "电脑上出了问题，详情见它的日志。",
    "bad_frame": "消息格式不对：{detail}",
    "not_paired": "这部手机还没有配对。请扫描电脑上显示的二维码。",
    "too_fast": "消息太密了：已有 {limit} 条在等待，请稍后再发这一条。",
    "too_many_messages": "这台设备一分钟内发了超过 {limit} 条消息，{seconds} 秒后可以继续。",
    "too_much_today": "这台设备今天写的内容已达上限，{seconds} 秒后可以继续。",
    "too_many_answers": "这台设备已有 {limit} 个回答在排队或生成，等其中一个完成后再发。",
    "too_many_sockets": "这台设备已打开 {limit} 个连接，请关闭几个页面。",
    "too_many_requests": "这台设备的请求太多，{seconds} 秒后可以继续。",
    "too_many_pairings": "配对尝试次数太多，请 {seconds} 秒后再试。",
    "too_many_logins": "这个账号的密码输错次数太多，请 {minutes} 分钟后再试。",
    "no_run": "没有这个回答。",
    "no_conversation": "没有这个对话。",
    "no_message": "这里没有这条消息。",
    "no_persona": "这个角色已经不在了。",
    "no_device": "没有这台设备。",
    "no_title": "标题至少要有一个字。",
    "no_name": "名字至少要有一个字。",
    "only_answers_are_rated": "只能评价回答。",
    "persona_name_taken": "已有名为“{name}”的角色。",
    "host_only": "只有这台电脑自己的浏览器才能这样做。",
    "nobody_to_pair": "这里无需配对，人人可用，所以没有配对码。",
    "code_refused": "这个配对码已失效，请重新获取。",
    "foreign_origin": "来自 {origin} 的网页不能在这里做任何更改。",
    "not_found": "这个地址没有内容。",
    "method_not_allowed": "这个地址不接受 {method} 请求。",
    "bad_request": "请求格式不对。",
    "bad_cursor": "这个游标无效，请从第一页开始，不带游标。",
    "bad_json": "请求正文不是 JSON。",
    "bad_text": "文字里有无法保存的字符：NUL，或半个代理对。",
    "not_json": "请求正文的类型应为 application/json，收到的是 {got}。",
    "too_large": "内容太大，最多 {limit}。",
    "not_your_message": "只能修改自己发的消息。",
    "nothing_to_answer": "这里没有可以重新回答的问题。",
    "nothing_to_continue": "这个回答已经完整，无需继续。",
    "still_running": "这个回答还在写。",
    "storage": "回答没能保存：{reason}",
    "stopping": "服务器正在关闭，等它回来后请重新发送。",
    "system_set": "系统提示已设定，从这里开始生效。",
    "system_cleared": "系统提示已清除。",
    # Engines
    "engine_error": "模型无法回答。",
    "model_not_found": "{path} 里没有模型。应为含有 config.json 的文件夹，或 `python manage.py models list` 列出的名字。",
    "model_unknown": "这台电脑上没有模型 {path}。现有：{known}。下载其他模型：`python manage.py models download 名称`。",
    "no_model": "这台电脑上没有名为 {name} 的模型。现有：{known}。",
    "model_broken": "{path} 里的模型无法加载：{reason}",
    "out_of_memory": "内存不够装下 {model}：约需 {needed}，可用 {available}。详情请运行 `python manage.py models check {model}`。",
    "cannot_quantize": "{model} 不能以 {bits} 位加载：{reason}。需要 Llama 或 Qwen 类的模型、在处理器上运行，并装有 C 编译器（gcc 或 clang）。",
    "loading": "模型还在加载。",
    "empty": "消息是空的。",
    "context_overflow": "这条消息对模型来说太长：共 {used} 个 token，最多 {limit} 个。",
    "unsupported_parameter": "这个模型不支持参数 {name}。",
    "decoding_failed": "模型在写这个回答时出错了。",
    "engine_dead": "模型已停止工作，需要在电脑上重新启动：{reason}",
    "backend_unreachable": "连不上模型服务器 {url}。",
    "backend_timeout": "模型服务器 {url} 在 {seconds} 秒内没有回应。",
    "backend_key": "模型服务器 {url} 不接受 {key_env} 里的密钥。",
    "backend_key_missing": "缺少 {url} 的密钥：请设置环境变量 {key_env} 后重新启动。",
    "backend_key_needed": "模型服务器 {url} 需要密钥：请在 llmsite.toml 里用 api_key_env 写明哪个环境变量保存它。",
    "backend_garbled": "模型服务器 {url} 的回应不是聊天回答，地址（base_url）写对了吗？",
    "backend_filtered": "模型服务器 {url} 的内容过滤中止了这个回答。",
    "backend_no_credit": "{url} 的账户余额不足。",
    "backend_model_unknown": "模型服务器 {url} 上没有名为 {model} 的模型。",
    "backend_busy": "模型服务器 {url} 现在请求太多。",
    "backend_failed": "模型服务器 {url} 出错（状态 {status}）。",
    "backend_refused": "模型服务器 {url} 拒绝了请求：{reason}",
    "backend_dropped": "与模型服务器 {url} 的连接在回答途中断开。",
}


def sentence(code: str, language: str, fallback: str = "", **params: Any) -> str:
    """The sentence of `code` in `language` ("zh…" is Chinese, all else English), else `fallback`."""
    template = CHINESE.get(code) if language.lower().startswith("zh") else None
    template = template or ENGLISH.get(code)
    if template is None:
        return fallback or ENGLISH["internal"]
    try:
        return template.format(**params)
    except (KeyError, IndexError):
        return fallback or template
