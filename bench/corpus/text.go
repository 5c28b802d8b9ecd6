package corpus

// Strings of the two banks.
var (
	plainStrings = []string{
		"Error %d opening %s", "Out of memory", "Usage: %s [options] file", "Invalid argument", "%s: no such file or directory",
		"SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Run", "SYSTEM\\CurrentControlSet\\Services\\%s", "C:\\Windows\\System32\\%s", "%TEMP%\\%s.tmp", "%APPDATA%\\%s\\%s.dat",
		"cmd.exe /c del \"%s\"", "explorer.exe", "svchost.exe", "winlogon.exe", "iexplore.exe",
		"GET /%s HTTP/1.1", "Host: %s", "User-Agent: Mozilla/4.0 (compatible; MSIE 7.0; Windows NT 5.1)", "Content-Type: application/x-www-form-urlencoded", "Connection: Keep-Alive",
		"http://update.example/%s.php?id=%08x", "ftp://files.example/pub/%s", "irc.example", "NICK %s", "JOIN #%s",
		"USER %s 0 * :%s", "PRIVMSG %s :%s", "MAIL FROM:<%s>", "RCPT TO:<%s>", "Subject: your document",
		"\\\\%s\\ADMIN$", "\\\\%s\\IPC$", "autorun.inf", "[autorun]", "open=%s",
		"%d.%d.%d.%d", "password", "administrator", "guest", "Runtime error!",
		"pure virtual function call", "abnormal program termination", "DOMAIN error", "TLOSS error", "not enough space for environment",
		"January", "February", "Monday", "Tuesday", "dddd, MMMM dd, yyyy",
		"KERNEL32.DLL", "mscoree.dll", "user32.dll", "GetProcAddress", "DisplayName",
		"keylog", "screenshot", "webcam", "shell", "upload",
		"download", "inject", "spread", "infect", "payload",
	}
	laterStrings = []string{
		"{\"id\":\"%s\",\"os\":\"%s\",\"v\":%d}", "Microsoft Visual C++ Runtime Library 14.1", "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36", "https://cdn.example/api/v2/%s", "https://pastes.example/raw/%s",
		"Authorization: Bearer %s", "Content-Type: application/json; charset=utf-8", "wss://stream.example/socket", "stratum+tcp://pool.example:3333", "\"method\":\"login\",\"params\":%s",
		"std::bad_array_new_length", "README_RESTORE.txt", "-----BEGIN PUBLIC KEY-----", "AES-256-GCM", "curve25519",
		"chacha20-poly1305", "SOFTWARE\\Classes\\Local Settings\\%s", "schtasks /create /tn %s /sc minute", "api-ms-win-core-synch-l1-2-0", "rundll32.exe %s,#1",
		"bitcoin", "monero", "wallet.dat", "telegram", "discord",
		"%LOCALAPPDATA%\\Google\\Chrome\\User Data", "logins.json", "cookies.sqlite", "tor2web", "hidden service",
	}
)

// Imported functions of the two banks, by library.
var (
	plainImports = []library{
		{"KERNEL32.dll", []string{"GetModuleHandleA", "GetProcAddress", "LoadLibraryA", "CreateFileA", "ReadFile", "WriteFile", "CloseHandle", "GetLastError", "VirtualAlloc", "VirtualFree", "HeapAlloc", "HeapFree", "GetTickCount", "Sleep", "CreateThread", "ExitProcess", "GetTempPathA", "CopyFileA", "DeleteFileA", "FindFirstFileA", "FindNextFileA", "GetDriveTypeA", "CreateProcessA", "OpenProcess", "WriteProcessMemory", "CreateMutexA", "lstrcpyA", "lstrcatA", "MultiByteToWideChar", "GetSystemDirectoryA"}},
		{"USER32.dll", []string{"MessageBoxA", "CreateWindowExA", "DefWindowProcA", "DispatchMessageA", "GetMessageA", "SetWindowsHookExA", "GetAsyncKeyState", "GetForegroundWindow", "wsprintfA", "FindWindowA", "ShowWindow", "SetTimer"}},
		{"ADVAPI32.dll", []string{"RegOpenKeyExA", "RegSetValueExA", "RegQueryValueExA", "RegCloseKey", "OpenSCManagerA", "CreateServiceA", "StartServiceA", "OpenProcessToken", "AdjustTokenPrivileges", "GetUserNameA"}},
		{"WS2_32.dll", []string{"WSAStartup", "socket", "connect", "send", "recv", "bind", "listen", "accept", "gethostbyname", "inet_addr", "htons", "closesocket"}},
		{"WININET.dll", []string{"InternetOpenA", "InternetOpenUrlA", "InternetReadFile", "InternetConnectA", "HttpOpenRequestA", "HttpSendRequestA", "InternetCloseHandle"}},
		{"GDI32.dll", []string{"BitBlt", "CreateCompatibleDC", "CreateCompatibleBitmap", "SelectObject", "DeleteObject", "GetDIBits"}},
		{"SHELL32.dll", []string{"ShellExecuteA", "SHGetFolderPathA", "SHFileOperationA"}},
	}
	laterImports = []library{
		{"KERNEL32.dll", []string{"InitializeCriticalSectionEx", "FlsAlloc", "GetTickCount64", "QueryFullProcessImageNameW", "K32EnumProcesses", "CreateFileW", "IsProcessorFeaturePresent", "InitOnceExecuteOnce"}},
		{"bcrypt.dll", []string{"BCryptOpenAlgorithmProvider", "BCryptGenRandom", "BCryptEncrypt", "BCryptDecrypt", "BCryptGenerateSymmetricKey", "BCryptHashData"}},
		{"WINHTTP.dll", []string{"WinHttpOpen", "WinHttpConnect", "WinHttpOpenRequest", "WinHttpSendRequest", "WinHttpReceiveResponse", "WinHttpReadData", "WinHttpWebSocketSend"}},
		{"CRYPT32.dll", []string{"CryptStringToBinaryA", "CryptBinaryToStringA", "CryptUnprotectData", "CertOpenStore"}},
		{"IPHLPAPI.DLL", []string{"GetAdaptersAddresses", "GetExtendedTcpTable", "IcmpSendEcho2"}},
		{"ntdll.dll", []string{"NtQueryInformationProcess", "RtlDecompressBuffer", "NtUnmapViewOfSection", "NtCreateSection"}},
	}
)
