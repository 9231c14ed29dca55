<#
Installs studio-worker for the user who runs this: no administrator, no compiler, a Node of its own. Doing it again updates it.

  powershell -ExecutionPolicy Bypass -File install.ps1 [-Version 1.2.3] [-NoSetup] [options of `studio-worker setup`]
  powershell -ExecutionPolicy Bypass -File install.ps1 -Uninstall

STUDIO_WORKER_DIR       where it goes; default %LOCALAPPDATA%\studio-worker
STUDIO_WORKER_VARIANT   plain, cuda, or auto (default: cuda where NVIDIA's driver is)
STUDIO_WORKER_BASE_URL  where the releases are; https, or http to this machine
STUDIO_WORKER_UPDATE=1  only the files: no setup at the end
#>
param(
  [string]$Version = $env:STUDIO_WORKER_VERSION,
  [switch]$NoSetup,
  [switch]$Uninstall,
  [Parameter(ValueFromRemainingArguments = $true)][string[]]$SetupArguments = @()
)
$ErrorActionPreference = 'Stop'
# The progress bar of Invoke-WebRequest makes a download many times slower.
$ProgressPreference = 'SilentlyContinue'
[Net.ServicePointManager]::SecurityProtocol = [Net.ServicePointManager]::SecurityProtocol -bor [Net.SecurityProtocolType]::Tls12

$Root = if ($env:STUDIO_WORKER_DIR) { $env:STUDIO_WORKER_DIR } else { Join-Path $env:LOCALAPPDATA 'studio-worker' }
$BaseUrl = if ($env:STUDIO_WORKER_BASE_URL) { $env:STUDIO_WORKER_BASE_URL } else { 'https://github.com/webbertakken/studio-worker/releases' }
$BaseUrl = $BaseUrl.TrimEnd('/')
$Command = Join-Path $Root 'bin\studio-worker.cmd'
$Bin = Join-Path $Root 'bin'

function Test-Root {
  if (-not [IO.Path]::IsPathRooted($Root)) { throw "STUDIO_WORKER_DIR must be an absolute path, not $Root" }
  if ($Root -match '["%\r\n]') { throw "the folder $Root has a character that cmd.exe cannot take; set STUDIO_WORKER_DIR" }
}

function Test-BaseUrl {
  if ($BaseUrl -notmatch '^(https://|http://(127\.0\.0\.1|localhost|\[::1\])([:/]|$))') {
    throw 'STUDIO_WORKER_BASE_URL must begin with https:// (plain http is for this machine only)'
  }
}

function Get-File([string]$Url, [string]$File) {
  try {
    Invoke-WebRequest -UseBasicParsing -Uri $Url -OutFile $File -TimeoutSec 3600
    return $true
  } catch {
    return $false
  }
}

function Get-Arch {
  $machine = if ($env:PROCESSOR_ARCHITEW6432) { $env:PROCESSOR_ARCHITEW6432 } else { $env:PROCESSOR_ARCHITECTURE }
  # Windows on ARM runs programs for x64.
  if ($machine -in 'AMD64', 'ARM64') { return 'x64' }
  throw "there is no bundle for $machine; with a Node for it: npm i -g studio-worker"
}

function Get-Wanted([string]$Scratch) {
  if (-not $Version) {
    $file = Join-Path $Scratch 'version.txt'
    if (-not (Get-File "$BaseUrl/latest/download/version.txt" $file)) {
      throw "cannot ask $BaseUrl for the newest version; is there a connection?"
    }
    $script:Version = ([string](Get-Content -Path $file -TotalCount 1)).Trim()
  }
  $script:Version = $Version -replace '^v', ''
  if ($Version -notmatch '^\d+\.\d+\.\d+([-+][0-9A-Za-z.+-]+)?$') { throw "this is no version: $Version" }
}

function Get-Variant {
  $current = Join-Path $Root 'current.txt'
  switch ($(if ($env:STUDIO_WORKER_VARIANT) { $env:STUDIO_WORKER_VARIANT } else { 'auto' })) {
    'cuda' { return 'cuda' }
    { $_ -in 'plain', 'cpu' } { return 'plain' }
    'auto' { }
    default { throw 'STUDIO_WORKER_VARIANT is one of plain, cuda, auto' }
  }
  # What was chosen once stays.
  if (Test-Path $current) {
    $manifest = Join-Path $Root ('versions\' + (Get-Content $current -TotalCount 1).Trim() + '\bundle.json')
    if (Test-Path $manifest) { return (Get-Content -Raw $manifest | ConvertFrom-Json).variant }
  }
  if (Get-Command nvidia-smi -ErrorAction SilentlyContinue) { return 'cuda' }
  return 'plain'
}

function Install-Bundle([string]$Scratch) {
  $arch = Get-Arch
  $url = "$BaseUrl/download/v$Version"
  $sum = Join-Path $Scratch 'sha256'
  $name = "studio-worker-$Version-win32-$arch.tar.gz"
  if ((Get-Variant) -eq 'cuda') {
    $cuda = "studio-worker-$Version-win32-$arch-cuda.tar.gz"
    if (Get-File "$url/$cuda.sha256" $sum) { $name = $cuda } else { Write-Host "there is no CUDA bundle of $Version; taking the plain one" }
  }
  if (-not (Get-File "$url/$name.sha256" $sum)) { throw "release $Version has no bundle for win32-$arch, or no checksum for it" }
  $first = [string](Get-Content $sum | Where-Object { $_.Trim() } | Select-Object -First 1)
  if ($first -notmatch '^([0-9a-fA-F]{64})(\s|$)') { throw "the checksum of $name is not one, so it is not installed" }
  $wanted = $Matches[1].ToLowerInvariant()
  Write-Host "fetching $name ..."
  $bundle = Join-Path $Scratch 'bundle.tar.gz'
  if (-not (Get-File "$url/$name" $bundle)) { throw "cannot fetch $url/$name" }
  if ((Get-FileHash -Algorithm SHA256 $bundle).Hash.ToLowerInvariant() -ne $wanted) {
    throw "$name does not match its checksum, so it is not installed"
  }
  Write-Host 'unpacking ...'
  $unpacked = Join-Path $Scratch 'unpacked'
  New-Item -ItemType Directory -Path $unpacked | Out-Null
  # Windows' own tar, and no other one that may come first in PATH and read C: as the name of a machine.
  & "$env:SystemRoot\System32\tar.exe" -xzf $bundle -C $unpacked --strip-components 1
  if ($LASTEXITCODE -ne 0) { throw "cannot unpack $name; is there room in $Root?" }
  foreach ($part in 'bundle.json', 'runtime\node.exe') {
    if (-not (Test-Path (Join-Path $unpacked $part))) { throw "$name is no bundle of studio-worker" }
  }
  Move-Item $unpacked (Join-Path $Root "versions\$Version")
}

function Add-ToPath {
  $path = [string][Environment]::GetEnvironmentVariable('Path', 'User')
  if (($path -split ';') -contains $Bin) { return }
  [Environment]::SetEnvironmentVariable('Path', (@($path.TrimEnd(';'), $Bin) | Where-Object { $_ }) -join ';', 'User')
  Write-Host "$Bin is in your PATH from the next terminal on"
}

function Remove-FromPath {
  $path = [string][Environment]::GetEnvironmentVariable('Path', 'User')
  $rest = ($path -split ';' | Where-Object { $_ -and $_ -ne $Bin }) -join ';'
  if ($rest -ne $path) { [Environment]::SetEnvironmentVariable('Path', $rest, 'User') }
}

function Install-All {
  Test-Root
  Test-BaseUrl
  New-Item -ItemType Directory -Force -Path (Join-Path $Root 'versions') | Out-Null
  $scratch = Join-Path $Root ('.install.' + [Guid]::NewGuid().ToString('N').Substring(0, 8))
  New-Item -ItemType Directory -Path $scratch | Out-Null
  try {
    Get-Wanted $scratch
    $folder = Join-Path $Root "versions\$Version"
    if (Test-Path (Join-Path $folder 'bundle.json')) { Write-Host "version $Version is there already" } else { Install-Bundle $scratch }
  } finally {
    Remove-Item -Recurse -Force $scratch -ErrorAction SilentlyContinue
  }
  & "$folder\runtime\node.exe" "$folder\dist\supervisor\update\adopt-main.js"
  if ($LASTEXITCODE -ne 0) { throw 'the new version could not be taken into use' }
  Write-Host "studio-worker $Version is installed in $Root"
  Add-ToPath
  if ($NoSetup -or $env:STUDIO_WORKER_UPDATE -eq '1') { return }
  & $Command setup @SetupArguments
  exit $LASTEXITCODE
}

function Uninstall-All {
  Test-Root
  if (-not (Test-Path (Join-Path $Root 'versions')) -or -not (Test-Path $Command)) {
    Write-Host "there is no studio-worker in $Root"
    return
  }
  & $Command uninstall-service
  $status = & $Command status --json | Out-String | ConvertFrom-Json
  if ($status.pid) { throw "a worker is running (pid $($status.pid)): stop it first, then do this again" }
  # Only what the installer and the updater have made: the folder may hold other things.
  foreach ($each in 'versions', 'downloads', 'bin\studio-worker.cmd', 'current.txt', 'previous.txt', 'probation', 'update.json', 'update.lock', 'trial.json') {
    Remove-Item -Recurse -Force (Join-Path $Root $each) -ErrorAction SilentlyContinue
  }
  foreach ($folder in $Bin, $Root) {
    if ((Test-Path $folder) -and -not (Get-ChildItem -Force $folder)) { Remove-Item $folder }
  }
  Remove-FromPath
  Write-Host 'studio-worker is removed. Its configuration (%APPDATA%\minis-studio-worker) and its models are still there.'
}

if ($Uninstall) { Uninstall-All } else { Install-All }
