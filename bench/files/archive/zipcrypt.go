package archive

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/binary"
	"hash"
	"hash/crc32"
	"io"
)

// zipKeys is the state of ZipCrypto, PKWARE's traditional encryption (APPNOTE 6.1).
type zipKeys [3]uint32

const zipCryptoHeader = 12 // random bytes before the data; the last checks the password

func newZipKeys(password string) zipKeys {
	k := zipKeys{0x12345678, 0x23456789, 0x34567890}
	for i := range len(password) {
		k.update(password[i])
	}
	return k
}

func (k *zipKeys) update(b byte) {
	k[0] = crc32.IEEETable[byte(k[0])^b] ^ k[0]>>8
	k[1] = (k[1]+k[0]&0xff)*134775813 + 1
	k[2] = crc32.IEEETable[byte(k[2])^byte(k[1]>>24)] ^ k[2]>>8
}

// decrypt decrypts p in place. Each byte waits for the one before, so that it
// is update with its state in registers.
func (k *zipKeys) decrypt(p []byte) {
	k0, k1, k2 := k[0], k[1], k[2]
	table := crc32.IEEETable
	for i, b := range p {
		t := k2&0xffff | 2
		b ^= byte(t * (t ^ 1) >> 8)
		p[i] = b
		k0 = table[byte(k0)^b] ^ k0>>8
		k1 = (k1+k0&0xff)*134775813 + 1
		k2 = table[byte(k2)^byte(k1>>24)] ^ k2>>8
	}
	*k = zipKeys{k0, k1, k2}
}

type zipCryptoReader struct {
	r    io.Reader
	keys zipKeys
}

// newZipCryptoReader reads the header of a member, which ends in check under
// the right password and 1 in 256 wrong ones.
func newZipCryptoReader(r io.Reader, keys zipKeys, check byte) (io.Reader, error) {
	var header [zipCryptoHeader]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return nil, broken(err)
	}
	keys.decrypt(header[:])
	if header[zipCryptoHeader-1] != check {
		return nil, &Error{Kind: ErrPassword}
	}
	return &zipCryptoReader{r, keys}, nil
}

func (z *zipCryptoReader) Read(p []byte) (int, error) {
	n, err := z.r.Read(p)
	z.keys.decrypt(p[:n])
	return n, err
}

// Lengths of WinZip's AES encryption (AE-1 and AE-2), in bytes.
const (
	aesCheck = 2  // password verification, after the salt
	aesSeal  = 10 // HMAC-SHA1, cut, after the data
)

// aesKeyLen is 16, 24 or 32 for the strengths 1 to 3. The salt has half of it.
func aesKeyLen(strength byte) int { return 8 + 8*int(strength) }

func aesOverhead(strength byte) int { return aesKeyLen(strength)/2 + aesCheck + aesSeal }

// aesReader decrypts by AES in counter mode. The counter is little-endian and
// begins at 1, unlike that of cipher.NewCTR.
type aesReader struct {
	r       io.Reader // salt, check, data and seal of a member
	left    int64     // bytes of data
	block   cipher.Block
	counter uint64
	pad     [512]byte
	used    int       // bytes of pad
	mac     hash.Hash // of the data; nil unless it is to be verified
}

// newAESReader derives the keys of a member by PBKDF2 with 1,000 rounds of
// HMAC-SHA1: of the cipher, of the HMAC, and 2 bytes that check the password.
func newAESReader(data *io.SectionReader, strength byte, password string, verify bool) (*aesReader, error) {
	k := aesKeyLen(strength)
	header := make([]byte, k/2+aesCheck)
	if _, err := io.ReadFull(data, header); err != nil {
		return nil, broken(err)
	}
	keys, err := pbkdf2.Key(sha1.New, password, header[:k/2], 1000, 2*k+aesCheck)
	if err != nil {
		return nil, err
	}
	if string(keys[2*k:]) != string(header[k/2:]) {
		return nil, &Error{Kind: ErrPassword}
	}
	block, err := aes.NewCipher(keys[:k])
	if err != nil {
		return nil, err
	}
	a := &aesReader{r: data, left: data.Size() - int64(aesOverhead(strength)), block: block}
	a.used = len(a.pad)
	if verify {
		a.mac = hmac.New(sha1.New, keys[k:2*k])
	}
	return a, nil
}

func (a *aesReader) Read(p []byte) (int, error) {
	if a.left == 0 {
		return 0, io.EOF
	}
	n, err := a.r.Read(p[:min(int64(len(p)), a.left)])
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	p = p[:n]
	a.left -= int64(n)
	if a.mac != nil {
		a.mac.Write(p)
	}
	for len(p) > 0 {
		if a.used == len(a.pad) {
			a.refill()
		}
		k := min(len(p), len(a.pad)-a.used)
		subtle.XORBytes(p[:k], p[:k], a.pad[a.used:])
		a.used += k
		p = p[k:]
	}
	return n, err
}

// refill encrypts the next counters.
func (a *aesReader) refill() {
	for i := 0; i < len(a.pad); i += aes.BlockSize {
		a.counter++
		binary.LittleEndian.PutUint64(a.pad[i:], a.counter)
		clear(a.pad[i+8 : i+aes.BlockSize])
		a.block.Encrypt(a.pad[i:i+aes.BlockSize], a.pad[i:i+aes.BlockSize])
	}
	a.used = 0
}

// verify reads the rest of the data and compares its HMAC with the seal.
func (a *aesReader) verify() error {
	if _, err := io.Copy(io.Discard, a); err != nil {
		return broken(err)
	}
	var seal [aesSeal]byte
	if _, err := io.ReadFull(a.r, seal[:]); err != nil {
		return broken(err)
	}
	if !hmac.Equal(a.mac.Sum(nil)[:aesSeal], seal[:]) {
		return damaged("its HMAC does not match its data")
	}
	return nil
}
